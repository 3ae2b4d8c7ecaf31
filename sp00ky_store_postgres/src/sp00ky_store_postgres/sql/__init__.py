"""Hold the statements, one file each, and load them."""
