"""Look after the table: reclaim, fire schedules, write rollups."""
