"""What a calendar was asked for, as plain data: enough to make it again."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nksim.patient import Patient
from nksim.schedule.siterules import SiteRules
from nksim.textfile import bytes_of

if TYPE_CHECKING:
    from nksim.regimen import Regimen

MEASURES = ("weight_kg", "height_cm", "age_y", "sex", "creatinine_umol_l", "ideal_weight_kg")


def request(
    regimen: Regimen,
    patients: Sequence[tuple[Patient, str | dt.date, str]],
    *,
    cells_at: str,
    rules: SiteRules,
    earliest: bool,
    issued: str | None,
) -> dict[str, Any]:
    """Choices, site and patients of a calendar; the protocol itself is named by id and SHA-256 beside it.

    Files of closures are named with their SHA-256, because what they say decides the dates.
    """
    files = [text for text in rules.closed if text.endswith(".ics")]
    return {
        "file": regimen.file,
        "arm": regimen.arm_name,
        "level": regimen.dose_level,
        "set": [list(pair) for pair in regimen.settings],
        "assume": regimen.accept_assumed,
        "cells_at": cells_at,
        "closed": list(rules.closed),
        "closed_sha256": {text: hashlib.sha256(bytes_of(text)).hexdigest() for text in files},
        "hours": rules.hours,
        "shift": rules.shift,
        "prior": list(rules.prior),
        "earliest": earliest,
        "issued": issued,
        "patients": [
            {
                "id": p.id,
                **{name: getattr(p, name) for name in MEASURES},
                "weighed": str(p.weighed) if p.weighed else None,
                "day0": str(day0),
                "tz": tz,
            }
            for p, day0, tz in patients
        ],
    }
