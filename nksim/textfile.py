"""A file that a person made: its bytes, and its text as UTF-8 or a fault that says what the bytes are instead."""

from __future__ import annotations

import sys
from pathlib import Path

from nksim.errors import InvalidInput, Place, UnreadableInput, shorten

LARGEST = 64_000_000

_OTHER_FORMATS = (
    (b"PK\x03\x04", "an Excel or zip file"),
    (b"\xd0\xcf\x11\xe0", "an Excel file"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"\x1f\x8b", "a gzip file"),
    (b"%PDF", "a PDF"),
)


def bytes_of(path: str | Path, *, most: int = LARGEST, help: str = "check the path") -> bytes:
    """All bytes of a file; of standard input for `-`.

    Raises `UnreadableInput` NK100 with `help` as its mend, or `InvalidInput` NK101 for more than `most` bytes.
    """
    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(most + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(most + 1)
    except OSError as error:
        raise UnreadableInput("NK100", f"cannot read {shorten(path)}: {error.strerror}", help=help) from None
    if len(data) > most:
        raise InvalidInput("NK101", "the file is too large", place=Place(str(path)), help=f"at most {most} bytes")
    return data


def decoded(data: bytes, file: str, *, save_as: str) -> str:
    """The text, with or without a byte-order mark; raises `InvalidInput` NK101 with `save_as` as its mend.

    >>> decoded(b"id: a", "a.yaml", save_as="UTF-8 text")
    'id: a'
    """
    mend = f"save it as {save_as}"
    for mark, name in _OTHER_FORMATS:
        if data.startswith(mark):
            raise InvalidInput("NK101", f"the file is {name}", place=Place(file), help=mend)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig").split("\n")
        kind = ": it may be GBK" if _looks_like_gbk(data) else ""
        place = Place(file, len(before), len(before[-1]) + 1, 1, f"{before[-1]}\N{REPLACEMENT CHARACTER}")
        raise InvalidInput("NK101", f"byte {error.start} is not UTF-8{kind}", place=place, help=mend) from None


def _looks_like_gbk(data: bytes) -> bool:
    """Whether everything beyond ASCII is a Chinese character once it is read as GBK."""
    try:
        beyond = [c for c in data.decode("gbk") if not c.isascii()]
    except UnicodeDecodeError:
        return False
    return all("\u4e00" <= c <= "\u9fff" or "\u3000" <= c <= "\u303f" or "\uff00" <= c <= "\uffef" for c in beyond)
