"""Load the statements, one file each."""
