"""Rounding of amounts in decimals, half up, within a limit; and the volume that can be measured."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from nksim.errors import InvalidInput
from nksim.limits import limit
from nksim.protocol.doses import Rounding
from nksim.protocol.supply import Volume
from nksim.schedule.bodysize import Caution, rounded
from nksim.units import grouped, plain
from nksim.words import said


def half_up(amount: Decimal, step: Decimal) -> Decimal:
    """The multiple of `step` nearest to `amount`, a half going up.

    >>> half_up(Decimal("2.675"), Decimal("0.01")), half_up(Decimal("25"), Decimal("10"))
    (Decimal('2.68'), Decimal('30'))
    """
    return (amount / step).to_integral_value(ROUND_HALF_UP) * step


def round_amount(amount: Decimal, rounding: Rounding, line_id: str) -> tuple[Decimal, str]:
    """The amount rounded to the file's step, and how; raises `InvalidInput` NK302 beyond its limit."""
    found = half_up(amount, rounding.to.canonical().number)
    _check_change(amount, found, rounding.within_percent, line_id)
    return found, said("rounded half up {step}", step=rounding)


def round_volume(amount: Decimal, unit: str, volume: Volume, line_id: str) -> tuple[Decimal, str, tuple[Caution, ...]]:
    """The amount as it can be measured, its volume in words, and NK320 where it is too little to measure.

    Raises `InvalidInput` NK302 where a step of the measure changes the amount by more than 10 %.
    """
    strength = volume.per_ml.canonical()
    ml = amount / strength.number
    if volume.step_ml:
        ml = half_up(ml, volume.step_ml)
        _check_change(amount, ml * strength.number, limit("rounding").high, line_id)
        amount = ml * strength.number
    words = said(
        "{volume} mL of {strength} {unit}/mL", volume=rounded(ml), strength=grouped(strength.number), unit=unit
    )
    if volume.step_ml:
        words = said("{drawn}, measured to {step} mL half up", drawn=words, step=plain(volume.step_ml))
    if ml >= volume.least_ml:
        return amount, words, ()
    caution = said(
        "{drawn} is below {least} mL that can be measured: dilute", drawn=words, least=plain(volume.least_ml)
    )
    return amount, words, (("NK320", caution),)


def _check_change(amount: Decimal, found: Decimal, most_percent: Decimal, line_id: str) -> None:
    percent = abs(found - amount) / amount * 100
    if percent > most_percent:
        raise InvalidInput(
            "NK302",
            f"{line_id}: rounding {grouped(amount)} to {grouped(found)} changes it by "
            f"{percent:.1f} %, above the limit of {plain(most_percent)} %",
            help="set a smaller step, or another limit in the protocol file",
        )
