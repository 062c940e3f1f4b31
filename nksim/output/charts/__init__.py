"""Charts as Vega-Lite, one declaration for file, page and notebook; drawn without a browser or a network."""

from nksim.output.charts.additions import added
from nksim.output.charts.attainments import attainment
from nksim.output.charts.calendars import calendar_strips
from nksim.output.charts.curves import FLOORS, TITLES, curve
from nksim.output.charts.forests import forest
from nksim.output.charts.fronts import pareto
from nksim.output.charts.style import library, rendered
from nksim.output.charts.sweeps import swept_curve
from nksim.output.charts.tornados import tornado

__all__ = [
    "FLOORS",
    "TITLES",
    "added",
    "attainment",
    "calendar_strips",
    "curve",
    "forest",
    "library",
    "pareto",
    "rendered",
    "swept_curve",
    "tornado",
]
