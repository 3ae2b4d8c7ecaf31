"""Count, rate and publish what runners do."""
