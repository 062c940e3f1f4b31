"""The model against what trials printed: observations, trials as run, calibration and validation."""
