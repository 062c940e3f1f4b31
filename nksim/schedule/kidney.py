"""Renal function, and the band of a renal rule that a patient falls into."""

from __future__ import annotations

from decimal import Decimal

from nksim.patient import Patient
from nksim.protocol.renal import MEASURES, Band, RenalRule
from nksim.schedule.bodysize import exact, rounded
from nksim.words import said


def renal_function(by: str, patient: Patient) -> tuple[Decimal, str]:
    """Renal function by one of `MEASURES` in its own unit, and in words.

    Raises `InvalidInput` NK405 where creatinine or another measure is missing.

    >>> who = Patient(weight=72, age=40, sex="M", creatinine="88.4 umol/L")
    >>> renal_function("cockcroft-gault", who)
    (Decimal('100'), '100 mL/min by Cockcroft-Gault')
    """
    unit, name = MEASURES[by]
    found: float | None
    if by == "egfr":
        pair = patient.egfr()
        found, name = pair if pair else (None, name)
    elif patient.known_egfr is not None:
        # A population's eGFR stands for either formula; a clearance is that of the patient's own surface.
        share = patient.bsa_m2("mosteller") / 1.73 if by == "cockcroft-gault" else 1.0
        found = patient.known_egfr * share
    else:
        found = patient.schwartz() if by == "bedside-schwartz" else patient.clearance_ml_min()
    if found is None:
        needs = "creatinine and height" if by == "bedside-schwartz" else "creatinine, age, sex, weight and height"
        raise patient.refusal(
            "NK405", f"the dose depends on renal function ({name}), which needs {needs}", "add --creatinine 40umol/L"
        )
    value = exact(found)
    return value, said("{value} {unit} by {formula}", value=rounded(value), unit=unit, formula=said(name))


def band_of(rule: RenalRule, patient: Patient, line_id: str) -> tuple[Band, str]:
    """The band that holds for a patient and the reason; an edge belongs to the band above it.

    Raises `InvalidInput` NK303 where the band gives nothing.
    """
    value, words = renal_function(rule.by, patient)
    band = next(b for b in rule.bands if b.below is None or value < b.below)
    if band.dose is None and band.percent is None:
        raise patient.refusal(
            "NK303", f"{line_id} must not be given at {words}: the renal rule gives none", "leave the line out, or ask"
        )
    return band, words
