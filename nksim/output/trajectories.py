"""Every patient's curves as Parquet, written a few patients at a time: a file of any size takes little memory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nksim.errors import UnreadableInput, UsageError, shorten
from nksim.output import files, results
from nksim.output.provenance import Provenance
from nksim.output.simulations import UNITS
from nksim.scale.summary import Progress, Summary
from nksim.scale.trajectories import Curves
from nksim.simulation import Simulation

SCHEMA_VERSION = 1
# As measured: 5.4 to 5.9 bytes for each output at each time, whatever the protocol and the step.
BYTES_PER_VALUE = 6.0
_COMPRESSION = {"compression": "zstd", "compression_level": 1}


def library() -> Any:
    """The modules `pyarrow` and `pyarrow.parquet`; raises `UsageError` NK711 where they are not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError("NK711", "Parquet files need pyarrow", help="pip install 'nksim[parquet]'") from None
    return pyarrow


def check_room(path: Path, values: float) -> float:
    """Bytes that a file of so many values will take; raises `UnreadableInput` NK705 where the disk has less."""
    needed, free = values * BYTES_PER_VALUE, shutil.disk_usage(path.parent).free
    if needed > free:
        raise UnreadableInput(
            "NK705",
            f"{shorten(path)} would take about {shown(needed)}, and {shown(free)} are free there",
            help="fewer patients (-n), a coarser grid (--every), fewer days (--days) or another disk",
        )
    return needed


def write(
    path: Path,
    followed: Sequence[tuple[Simulation, Iterable[Curves]]],
    provenance: Provenance,
    progress: Progress | None = None,
) -> None:
    """Writes simulations with their curves, each in order of patient number.

    A row is one patient at one time: `patient`, `day`, and every output; before them `regimen` where there are several.
    A row group holds the curves of one portion. Units stand in the fields' metadata, and in the schema's metadata,
    under `nksim`, stand units, provenance and what each regimen rests on, as JSON. Raises `UsageError` NK711 without
    pyarrow, `UnreadableInput` NK705 (too large for the disk) and NK702 (it could not be written; nothing is left).
    """
    arrow, done = library(), [s for s, _ in followed]
    names = [name for name in UNITS if any(name in s.output_names for s in done)]
    check_room(path, sum(float(len(s.population)) * s.times_d.size * len(s.output_names) for s in done))
    schema = _schema(arrow, names, done, provenance)
    whole, written = sum(len(s.population) for s in done), 0
    keys = [name for name in schema.names if name not in names]
    with (
        files.replacing(path) as file,
        arrow.parquet.ParquetWriter(
            file, schema, use_dictionary=keys, use_byte_stream_split=names, **_COMPRESSION
        ) as writer,
    ):
        for s, portions in followed:
            for portion in portions:
                rows = _rows(arrow, schema, s, portion)
                writer.write_table(rows, row_group_size=max(1, rows.num_rows))
                written += len(portion.index)
                if progress:
                    progress(written, whole)


def _schema(arrow: Any, names: Sequence[str], done: Sequence[Simulation], provenance: Provenance) -> Any:
    """Columns with their units, and all that the file says about itself."""
    units = {"patient": "number", "day": "d", **{name: UNITS[name] for name in names}}
    meanings = {
        "regimen": "name of the regimen",
        "patient": "virtual patient; the same number is the same patient under every regimen",
        "day": "days from the first cells",
    }
    types = {"regimen": arrow.dictionary(arrow.int32(), arrow.string()), "patient": arrow.int64()}
    columns = [*(["regimen"] if len(done) > 1 else []), *units]
    about = {
        "schema_version": SCHEMA_VERSION,
        "kind": "trajectories",
        "provenance": provenance.as_dict(),
        "units": units,
        "regimens": [_about(s) for s in done],
    }
    fields = [
        arrow.field(
            name,
            types.get(name, arrow.float64()),
            nullable=name in names,
            metadata={
                **({"unit": units[name]} if name in units else {}),
                **({"description": meanings[name]} if name in meanings else {}),
            },
        )
        for name in columns
    ]
    return arrow.schema(fields, metadata={"nksim": json.dumps(about, ensure_ascii=False)})


def _about(s: Simulation) -> dict[str, Any]:
    """What stands in JSON results, but for how patients were summed up: here each stands alone."""
    found, summing = results.about(s), s.notes if isinstance(s, Summary) else ()
    return found | {"assumptions": [text for text in found["assumptions"] if text not in summing]}


def _rows(arrow: Any, schema: Any, s: Simulation, portion: Curves) -> Any:
    """One portion as a table; an output that this regimen does not have is null."""
    n, times = len(portion.index), s.times_d.size
    made: dict[str, Any] = {
        "patient": np.repeat(portion.index, times),
        "day": np.tile(s.times_d, n),
        **{name: values.reshape(-1) for name, values in portion.outputs.items()},
    }
    if "regimen" in schema.names:
        made["regimen"] = arrow.DictionaryArray.from_arrays(np.zeros(n * times, dtype=np.int32), [s.label])
    columns = [made.get(f.name, arrow.nulls(n * times, f.type)) for f in schema]
    return arrow.table([arrow.array(c) if isinstance(c, np.ndarray) else c for c in columns], schema=schema)


def shown(size: float) -> str:
    """A number of bytes for the eye.

    >>> shown(19_600_000_000), shown(40_000_000)
    ('19.6 GB', '40 MB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
