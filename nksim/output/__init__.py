"""What leaves nksim: tables, calendar files, charts; formats and rounding for the eye, nothing else."""
