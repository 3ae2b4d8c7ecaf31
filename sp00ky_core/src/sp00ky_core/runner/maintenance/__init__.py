"""Look after the table: reclaim, delete what is old, fire schedules, write rollups."""
