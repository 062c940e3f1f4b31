"""Side-by-side timings against other programs; never part of the tests."""
