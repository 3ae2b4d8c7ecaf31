"""Define schedules, fire them, and look after what they have made, in a store that keeps them."""
