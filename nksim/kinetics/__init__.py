"""Kinetics of infused NK cells: equations, parameters, events and the engines that solve them.

This package sees event arrays and parameters only; it knows nothing of protocols, calendars or patients' files.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats"]

Floats = NDArray[np.float64]
