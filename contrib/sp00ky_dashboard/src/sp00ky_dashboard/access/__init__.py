"""Let operators in, and requests from elsewhere not."""
