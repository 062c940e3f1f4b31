"""Writing files so that nothing is lost: to a temporary name beside the target, then renamed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from nksim.errors import UnreadableInput, UsageError, shorten


def check_free(path: Path, *, force: bool) -> None:
    """Raises `UsageError` NK701 where a file stands in the way and `force` is not given."""
    if path.is_dir():
        raise UsageError("NK701", f"{shorten(path)} is a folder", help="name a file in it")
    if path.exists() and not force:
        raise UsageError("NK701", f"{shorten(path)} exists and is kept", help="name another file, or add --force")
    if path.suffix == ".csv":
        check_free(metadata_path(path), force=force)
    if not path.parent.is_dir():
        raise UsageError("NK701", f"there is no folder {shorten(path.parent)}", help="make it first")


def write(path: Path, data: str | bytes) -> None:
    """Writes text (UTF-8, line ends as they are) or bytes; an existing file stays whole until the new one is complete.

    Raises `UnreadableInput` NK702 when the disk or the folder does not allow it; no partial file is left.
    """
    with replacing(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file under a temporary name, which becomes `path` once all of it is on the disk, and is gone after any failure.

    Raises `UnreadableInput` NK702 as `write` does.
    """
    import tempfile

    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise UnreadableInput(
            "NK702", f"cannot write {shorten(path)}: {error.strerror or error}", help="check space and rights"
        ) from None
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def write_csv(path: Path, text: str, provenance: Mapping[str, Any]) -> None:
    """Writes a CSV, and beside it `NAME.csv-metadata.json` (named as CSV on the Web does) with its provenance."""
    write(path, text)
    about = {"@context": "http://www.w3.org/ns/csvw", "url": path.name, "dc:source": provenance}
    write(metadata_path(path), json.dumps(about, ensure_ascii=False, indent=2) + "\n")


def metadata_path(path: Path) -> Path:
    """Where the provenance of a CSV stands."""
    return path.with_name(f"{path.name}-metadata.json")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
