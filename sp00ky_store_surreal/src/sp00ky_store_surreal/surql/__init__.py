"""Load the statements, one file each, named by who uses them; what they share is in ````."""
