"""Bags of a cell product: how many, what they deliver against the target, and what comes with it."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

from nksim.errors import InvalidInput
from nksim.limits import limit
from nksim.patient import Patient
from nksim.protocol.model import Product
from nksim.protocol.supply import Bag, Limits
from nksim.schedule.bodysize import Caution, exact
from nksim.units import Quantity, grouped, plain
from nksim.words import phrase, said


def from_bags(
    target: Decimal, product: Product, patient: Patient, line_id: str
) -> tuple[Decimal, str, tuple[Caution, ...]]:
    """Cells delivered towards a target of cells, how, and the limits that they pass.

    Cells delivered by a bag = cells × viability × recovery × purity. Raises `InvalidInput` NK304 where the nearest
    number of whole bags is none.
    """
    bag = product.bag
    assert bag is not None
    each = _number(bag.cells) * _share(bag.viability) * _share(bag.recovery) * _share(bag.purity)
    bags = _bags(target / each, str(bag.give.chosen.value), line_id)
    delivered = target if bag.give.chosen.value == "part" else bags * each
    form = phrase(
        "{bags} bags of {each} × {viability} viable × {recovery} recovered × {purity} pure ({give}): "
        "{share:.1f} % of the target"
    )
    if bags == 1:
        form = phrase(
            "{bags} bag of {each} × {viability} viable × {recovery} recovered × {purity} pure ({give}): "
            "{share:.1f} % of the target"
        )
    share = delivered / target * 100
    words = said(
        form,
        bags=plain(Decimal(f"{bags:.6f}")),
        each=cells(_number(bag.cells)),
        viability=_percent(bag.viability),
        recovery=_percent(bag.recovery),
        purity=_percent(bag.purity),
        give=said(str(bag.give.chosen.value)),
        share=share,
    )
    cautions = _beyond(product.limits, bag, bags, exact(patient.weight())) if product.limits else []
    if abs(share - 100) > limit("rounding").high:
        cautions.append(("NK327", said("whole bags deliver {share:.1f} % of the target", share=share)))
    return delivered, words, tuple(cautions)


def _bags(needed: Decimal, give: str, line_id: str) -> Decimal:
    if give == "part":
        return needed
    whole = needed.to_integral_value(ROUND_CEILING if give == "whole, up" else ROUND_HALF_UP)
    if whole == 0:
        raise InvalidInput(
            "NK304",
            f"{line_id}: the target is {needed * 100:.1f} % of one bag, and the nearest whole number is none",
            help="write give: whole, up or give: part",
        )
    return whole


def _beyond(limits: Limits, bag: Bag, bags: Decimal, weight_kg: Decimal) -> list[Caution]:
    """What the bags bring along beyond a limit; a limit without a content in the file cannot be checked."""
    found: list[Caution] = []
    t_cells = _number(bag.cells) * _share(bag.t_cells) if bag.t_cells else None
    for name, held, each in (
        (phrase("T cells"), limits.t_cells, t_cells),
        (phrase("DMSO"), limits.dmso, _number(bag.dmso) if bag.dmso else None),
        (phrase("endotoxin"), limits.endotoxin, _number(bag.endotoxin) if bag.endotoxin else None),
    ):
        if held is None or held.chosen.value is None:
            continue
        most: Quantity = held.chosen.value
        if each is None:
            words = said(
                "{what} limited to {most}, and the file does not say what a bag holds", what=said(name), most=most
            )
            found.append(("NK326", words))
        elif (per_kg := bags * each / weight_kg) > most.number:
            given = Quantity(per_kg, most.unit, "kg")
            words = said(
                "{what}: {given} is above the limit of {most}", what=said(name), given=_for_eye(given), most=most
            )
            found.append(("NK325", words))
    least = limits.viability.chosen.value if limits.viability else None
    viable = bag.viability.chosen.value
    if least is not None and viable is not None and viable < least:
        words = said("viability {share} % is below the limit of {least} %", share=plain(viable), least=plain(least))
        found.append(("NK325", words))
    return found


def _for_eye(given: Quantity) -> str:
    return str(Quantity(Decimal(f"{given.number:.4g}"), given.unit, given.per))


def cells(number: Decimal) -> str:
    """Cells in E-notation, to six digits.

    >>> cells(Decimal("123456789"))
    '1.23457E8'
    """
    power = number.adjusted()
    return f"{grouped(number.scaleb(-power))}E{power}"


def _number(fact: object) -> Decimal:
    return fact.chosen.value.number  # type: ignore[attr-defined, no-any-return]


def _share(fact: object) -> Decimal:
    return fact.chosen.value / 100  # type: ignore[attr-defined, no-any-return]


def _percent(fact: object) -> str:
    return f"{plain(fact.chosen.value)} %"  # type: ignore[attr-defined]
