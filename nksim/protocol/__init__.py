"""What a trial plans: facts, doses, times, the strict reader and the catalogue.

The package can be called as well: `nksim.protocol("jk500")` is the library's front door, and the name is the
package's too.
"""

import importlib
import sys
import types
from typing import Any


class _Door(types.ModuleType):
    """A module that opens the front door when called; the door itself is far above this floor."""

    def __call__(self, id_or_path: str) -> Any:
        return importlib.import_module("nksim.regimen").protocol(id_or_path)


sys.modules[__name__].__class__ = _Door
