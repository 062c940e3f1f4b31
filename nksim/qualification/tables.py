"""Body surface and dose escalation against numbers worked out elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from nksim.patient import BSA_FORMULAS
from nksim.qualification.check import Check
from nksim.qualification.drugs import rows
from nksim.trial.boin import boundaries
from nksim.trial.designs import Numbers, decision_table, design
from nksim.trial.exact import enumerate_trials
from nksim.trial.three_plus_three import ThreePlusThree

# Liu & Yuan 2015: boundaries by target, to six digits.
BOIN = {
    0.15: (0.117797, 0.178686),
    0.20: (0.157242, 0.238462),
    0.25: (0.196801, 0.298392),
    0.30: (0.236491, 0.358519),
    1 / 3: (0.263034, 0.398744),
    0.35: (0.276334, 0.418908),
    0.40: (0.316360, 0.479650),
}
# Target 0.30, n = 1 to 18: escalate up to, de-escalate from, eliminate from.
BOIN_30 = (
    (0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4),
    (1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 6, 6, 6, 7, 7),
    (None, None, 3, 3, 4, 4, 5, 5, 5, 6, 6, 7, 7, 8, 8, 8, 9, 9),
)


def checks() -> Iterator[Check]:
    """Body surfaces, exact 3+3, BOIN's boundaries and its table for target 0.30."""
    bsa = [
        abs(BSA_FORMULAS[name](float(row["height_cm"]), float(row["weight_kg"])) - float(value))
        for row in rows("bsa.csv")
        for name, value in row.items()
        if name in BSA_FORMULAS
    ]
    yield Check("tables", "body surface by six formulas", "mpmath", "m²", max(bsa), 1e-7, len(bsa))
    exact = [abs(found - printed) for row in rows("three_plus_three.csv") for found, printed in _three(row)]
    yield Check(
        "tables", "exact 3+3, both variants", "enumeration, 4 digits", "probability", max(exact), 5.001e-5, len(exact)
    )
    edges = [abs(f - p) for target, pair in BOIN.items() for f, p in zip(boundaries(target), pair, strict=True)]
    yield Check("tables", "BOIN boundaries", "Liu & Yuan 2015, 6 digits", "rate", max(edges), 5.001e-7, len(edges))
    table = decision_table(design("boin", Numbers(5, 0.30)), 18)
    cells = [cell for row in (table.boundaries() if table else ()) for cell in row]
    wrong = sum(found != printed for found, printed in zip(cells, _interleaved(), strict=True))
    yield Check(
        "tables", "BOIN decision table, target 0.30", "worked out for n = 1 to 18", "cells that differ", wrong, 0.0, 54
    )


def _three(row: dict[str, str]) -> Iterator[tuple[float, float]]:
    """Found and printed probabilities of each MTD of one line of `three_plus_three.csv`."""
    truth = [float(p) for p in row["truth"].split()]
    ends = enumerate_trials(ThreePlusThree(len(truth), down=row["variant"] == "3+3-down"), truth)
    for level, name in enumerate(("none", *map(str, range(1, len(truth) + 1)))):
        yield float(ends.probability[ends.mtd == level].sum()), float(row[name])


def _interleaved() -> list[int | None]:
    return [cell for row in zip(*BOIN_30, strict=True) for cell in row]
