"""Protocol files shipped with nksim, one YAML per registered trial."""
