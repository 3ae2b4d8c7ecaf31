"""Read what commands are given."""
