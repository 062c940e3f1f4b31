"""Coefficients of the explicit Runge-Kutta pair of orders 5 and 4 by Tsitouras, with its interpolant.

Ch. Tsitouras, Comput. Math. Appl. 62 (2011) 770-775, doi:10.1016/j.camwa.2011.06.002. The seventh stage is the
derivative at the end of the step, hence the first of the next one.
"""

from __future__ import annotations

import numpy as np

from nksim.kinetics import Floats

__all__ = ["ERROR", "NODES", "STAGES", "weights"]

NODES = (0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0)

# Row i gives the state at which stage i + 1 is evaluated; the last row is the step itself.
STAGES = (
    (0.161,),
    (-0.008480655492356989, 0.335480655492357),
    (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
    (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
    (5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383),
    (
        0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774,
    ),
)  # fmt: skip

# Difference of the two orders, by stage.
ERROR = (
    -0.00178001105222577714, -0.0008164344596567469, 0.007880878010261995, -0.1447110071732629,
    0.5823571654525552, -0.45808210592918697, 0.015151515151515152,
)  # fmt: skip


def weights(s: Floats) -> Floats:
    """Weights (7, ...) of the stages in the state at the part `s` (0..1) of a step.

    >>> [round(float(w), 9) for w in weights(np.array(1.0))]
    [0.096460767, 0.01, 0.47988965, 1.379008574, -3.290069515, 2.324710524, 0.0]
    """
    s2 = s * s
    return np.stack(
        [
            -1.0530884977290216 * s * (s - 1.3299890189751412)
            * (s2 - 1.4364028541716351 * s + 0.7139816917074209),
            0.1017 * s2 * (s2 - 2.1966568338249754 * s + 1.2949852507374631),
            2.490627285651252793 * s2 * (s2 - 2.38535645472061657 * s + 1.57803468208092486),
            -16.54810288924490272 * s2 * (s - 1.21712927295533244) * (s - 0.61620406037800089),
            47.37952196281928122 * s2 * (s - 1.203071208372362603) * (s - 0.658047292653547382),
            -34.87065786149660974 * s2 * (s - 1.2) * (s - 0.666666666666666667),
            2.5 * s2 * (s - 1.0) * (s - 0.6),
        ]
    )  # fmt: skip
