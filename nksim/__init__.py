"""nksim: dosing calendars and modelled persistence of NK-cell therapy, from one protocol file."""

__version__ = "0.1.0"
