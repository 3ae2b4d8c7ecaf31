"""Find, count and watch jobs, and hear of new ones."""
