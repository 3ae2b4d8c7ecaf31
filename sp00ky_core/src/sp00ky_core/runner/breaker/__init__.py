"""Keep this runner's view of each backend's breaker, and report to the fleet."""
