"""Count attempts, keep their numbers over time, and show them: rates, rollups, metrics, health."""
