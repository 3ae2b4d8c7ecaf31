"""Join what is configured for a backend and what its contract says."""
