"""Expected calendars, written by a second reader; shipped as `nksim.expected_calendars` for `nksim qualify`."""
