"""Look after the table: reclaim, delete what is old, write rollups."""
