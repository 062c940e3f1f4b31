"""What each further infusion adds to a curve."""

from __future__ import annotations

from typing import Any

from nksim.contributions import Contributions
from nksim.output.charts.curves import FLOORS, TITLES
from nksim.output.charts.style import HEIGHT, MUTED, WIDTH, decades, finished, inline, legend, library, palette, short
from nksim.output.provenance import Provenance


def added(found: Contributions, provenance: Provenance) -> Any:
    """Median curves after the first infusion, the first two and so on; dotted rules are the infusions."""
    alt = library()
    names = ["1 infusion", *(f"{j} infusions" for j in range(2, len(found.days) + 1))]
    floor = FLOORS[found.output]
    top = max(float(m.max()) for m in found.medians) * 1.3
    records = [
        {"given": name, "time_d": float(t), "value": short(v) if v >= floor else None}
        for name, m in zip(names, found.medians, strict=True)
        for t, v in zip(found.times_d, m, strict=True)
    ]
    colours, dashes = palette(names)
    shown = legend(alt, names, symbolSize=300, symbolType="stroke")
    scale = alt.Scale(type="log", domain=[floor, max(top, floor * 10)], nice=False)
    percent = found.output == "nk_chimerism"
    axis = alt.Axis(format="~%" if percent else "~g", values=decades(floor, max(top, floor * 10)))
    span = alt.Scale(domain=[float(found.times_d[0]) - 1, float(found.times_d[-1])], nice=False)
    lines = alt.Chart(inline(alt, records, "given")).mark_line(strokeWidth=2, clip=True).encode(
        x=alt.X("time_d:Q", title="Day", scale=span),
        y=alt.Y("value:Q", title=TITLES[found.output], scale=scale, axis=axis),
        color=alt.Color("given:N", scale=alt.Scale(domain=names, range=colours), legend=shown),
        strokeDash=alt.StrokeDash("given:N", scale=alt.Scale(domain=names, range=dashes), legend=shown),
        # The curve with fewest infusions lies on top, where the others still run along it.
        order=alt.Order("time_d:Q"),
    )  # fmt: skip
    days = alt.Chart(alt.Data(values=[{"time_d": d} for d in found.days]))
    rules = days.mark_rule(strokeDash=[2, 3], color=MUTED).encode(x="time_d:Q")
    chart = alt.layer(rules, lines).properties(width=WIDTH, height=HEIGHT)
    who = "same" if found.first is None else f"first {found.first}"
    notes = [
        f"Median of the {who} virtual patients with only the first infusions, everything else as planned; log axis"
    ]
    return finished(alt, chart, f"What each infusion adds: {found.label}", [*notes, provenance.line()])
