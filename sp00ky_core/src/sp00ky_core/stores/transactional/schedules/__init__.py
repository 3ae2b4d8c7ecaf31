"""Keep schedules and their runs."""
