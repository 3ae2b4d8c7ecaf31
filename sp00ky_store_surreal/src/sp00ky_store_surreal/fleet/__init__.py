"""Share state among runners: signs of life, breakers, pauses, limits, and what operators have done."""
