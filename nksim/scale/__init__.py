"""Populations too large to hold: patients in chunks by their number, through any executor, summed up as they go by."""
