"""Load the statements, from files that are named by who uses them."""
