"""`python -m nksim.fit [FILE.yaml]`: the calibration that ships with nksim, from its own data, with its own seed.

Prints what was fitted, how much the data say about it and how likely each printed value has become, and writes the
parameter set. Some minutes on two cores; the same numbers on every run.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nksim.fit.calibration import calibrate, shipped
from nksim.fit.estimates import as_set
from nksim.output.files import write
from nksim.output.validations import calibration_table


def main(args: list[str]) -> None:
    """Calibrates, prints, and writes the set where a path is given."""
    objective = shipped()
    found = calibrate(objective, lambda text: print(text, file=sys.stderr))
    print(calibration_table(found))
    if args:
        write(Path(args[0]), as_set(found, objective))


if __name__ == "__main__":
    main(sys.argv[1:])
