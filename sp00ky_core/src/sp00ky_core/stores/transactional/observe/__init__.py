"""Read rows: find, count and watch jobs."""
