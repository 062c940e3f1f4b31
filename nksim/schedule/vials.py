"""Which vials make up a dose with the least waste."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

from nksim.protocol.supply import Vials
from nksim.units import grouped
from nksim.words import listed, phrase, said


def vials_for(amount: Decimal, strengths: tuple[Decimal, ...]) -> tuple[dict[Decimal, int], Decimal]:
    """How many vials of each strength hold `amount` with the least waste, then the fewest vials; and the waste.

    >>> found, waste = vials_for(Decimal(1700), (Decimal(500), Decimal(1000)))
    >>> {int(s): n for s, n in found.items()}, int(waste)
    ({1000: 2}, 300)
    """
    largest = max(strengths)
    # Beyond a few of the largest, more of them only stand for what the small ones could do.
    base = max(0, int(amount / largest) - len(strengths) * 4)
    best: tuple[Decimal, int, dict[Decimal, int]] | None = None
    for counts in _combinations(amount - base * largest, tuple(sorted(strengths))):
        all_counts = {**counts, largest: counts.get(largest, 0) + base}
        waste = sum((s * n for s, n in all_counts.items()), Decimal(0)) - amount
        number = sum(all_counts.values())
        if best is None or (waste, number) < best[:2]:
            best = (waste, number, all_counts)
    assert best is not None
    return {s: n for s, n in sorted(best[2].items(), reverse=True) if n}, best[0]


def _combinations(amount: Decimal, strengths: tuple[Decimal, ...]) -> list[dict[Decimal, int]]:
    """Counts of each strength that hold the amount without a vial too many, smallest strength filling the rest."""
    smallest, *larger = strengths
    if not larger:
        return [{smallest: max(0, int((amount / smallest).to_integral_value(ROUND_CEILING)))}]
    top = larger[-1]
    found = []
    for n in range(max(0, int((amount / top).to_integral_value(ROUND_CEILING))) + 1):
        found += [{**rest, top: n} for rest in _combinations(amount - n * top, (smallest, *larger[:-1]))]
    return found


def vials_in_words(amount: Decimal, unit: str, vials: Vials) -> str:
    """The vials of a dose and what is left over, for a person.

    >>> from nksim.protocol.supply import vials
    >>> vials_in_words(Decimal(1020), "mg", vials("500 mg"))
    'vials: 3 × 500 mg, 480 mg (32.0 %) left over'
    """
    found, waste = vials_for(amount, tuple(s.canonical().number for s in vials.strengths))
    drawn = listed((f"{n} × {grouped(s)} {unit}" for s, n in found.items()), phrase(" and "))
    share = waste / (amount + waste) * 100
    if not waste:
        return said("vials: {vials}, nothing left over", vials=drawn)
    form = phrase("vials: {vials}, {waste} {unit} ({share:.1f} %) left over")
    return said(form, vials=drawn, waste=grouped(waste), unit=unit, share=share)
