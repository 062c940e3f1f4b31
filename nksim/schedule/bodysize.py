"""Body size as doses count it: the weight that a rule means, and the body surface."""

from __future__ import annotations

from decimal import Decimal

from nksim.patient import BSA_CAUTIONS, BSA_NAMES, HEIGHT_FREE, Patient
from nksim.protocol.model import Body
from nksim.protocol.weights import WeightRule
from nksim.units import plain
from nksim.words import said

Caution = tuple[str, str]


def exact(value: float) -> Decimal:
    """A float as the decimal that it stands for: to the 15 digits that every float carries.

    Products of floats differ from the true number in the 16th digit, which would send a half down instead of up.

    >>> exact(0.1 * 3)
    Decimal('0.3')
    """
    return Decimal(f"{value:.15g}")


def dosing_weight(rule: WeightRule, patient: Patient) -> tuple[Decimal, str, tuple[Caution, ...]]:
    """The weight in kg that a dose per kg counts, how it came about, and what to be careful about.

    Adjusted is ideal + share × (actual - ideal); the ideal weight is Devine's, or the patient's own where it is given.

    >>> from nksim.protocol.weights import weight_rule
    >>> kg, words, _ = dosing_weight(weight_rule("adjusted 50 %"), Patient(height=172, weight=130, sex="F"))
    >>> round(kg, 6), words
    (Decimal('96.624016'), 'adjusted 50 %: ideal 63.248031 kg by Devine, actual 130 kg')
    """
    actual = exact(patient.weight())
    if not rule.needs_ideal:
        return actual, said("actual"), ()
    ideal = exact(patient.ideal_kg())
    source = said("as given") if patient.ideal_weight_kg is not None else said("by Devine")
    basis = said(
        "ideal {ideal} kg {source}, actual {actual} kg", ideal=rounded(ideal), source=source, actual=plain(actual)
    )
    share = actual / ideal * 100
    if rule.from_percent is not None and share < rule.from_percent:
        words = said(
            "actual, being {share:.1f} % of {ideal} kg ideal {source}", share=share, ideal=rounded(ideal), source=source
        )
        return actual, words, ()
    cautions: tuple[Caution, ...] = ()
    if actual < ideal:
        cautions = (("NK324", said("{weight} weight is above the actual weight of this patient", weight=rule.name)),)
    if rule.from_percent is not None:
        basis = said("{weights}, {share:.1f} % of ideal", weights=basis, share=share)
    if rule.percent == 0:
        return ideal, basis, cautions
    words = said("{weight}: {basis}", weight=rule.name, basis=basis)
    return ideal + rule.percent / 100 * (actual - ideal), words, cautions


def surface(patient: Patient, body: Body) -> tuple[Decimal, str, tuple[Caution, ...]]:
    """BSA in m² by the file's formula from height and actual weight, after the cap; its words and cautions."""
    formula = body.bsa.chosen.value or ""
    bsa, cap = exact(patient.bsa_m2(formula)), body.bsa_cap.chosen.value
    height = "" if formula in HEIGHT_FREE else f"{measured(patient.height_cm)} cm, "
    words = said(
        "{formula}, {height}{weight} kg",
        formula=said(BSA_NAMES[formula]),
        height=height,
        weight=measured(patient.weight_kg),
    )
    cautions = (("NK321", said(BSA_CAUTIONS[formula])),) if formula in BSA_CAUTIONS else ()
    if cap is not None and bsa > cap.number:
        return cap.number, said("{bsa} m² by {measures}, capped", bsa=rounded(bsa), measures=words), cautions
    return bsa, words, cautions


def rounded(value: Decimal) -> str:
    """A number for the eye, to a millionth at most.

    >>> rounded(Decimal("63.2480314960"))
    '63.248031'
    """
    return plain(Decimal(f"{value:.6f}"))


def measured(value: float | None) -> str:
    """A measure of the patient as it was given."""
    return plain(Decimal(repr(value))) if value is not None else "?"
