"""nksim: dosing calendars and modelled persistence of NK-cell therapy, from one protocol file.

Names are loaded when first used, so that importing nksim stays quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Bodies", "Patient", "Regimen", "Settings", "SiteRules", "__version__", "compare", "protocol"]

if TYPE_CHECKING:
    from nksim.patient import Patient
    from nksim.regimen import Regimen, protocol
    from nksim.run import Bodies, compare
    from nksim.schedule.siterules import SiteRules
    from nksim.settings import Settings

_HOMES = {
    "Bodies": "nksim.run",
    "Patient": "nksim.patient",
    "Regimen": "nksim.regimen",
    "Settings": "nksim.settings",
    "SiteRules": "nksim.schedule.siterules",
    "compare": "nksim.run",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name == "protocol":
        return importlib.import_module("nksim.protocol")
    if name not in _HOMES:
        raise AttributeError(f"module 'nksim' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
