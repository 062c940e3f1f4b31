"""Settings of all tests: property tests are repeatable, and no example is failed for a slow machine."""

from hypothesis import settings

settings.register_profile("nksim", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("nksim")
