"""Keep schedules, what they made, and the rows that they make jobs of."""
