"""Share state among runners: signs of life, breakers, limits."""
