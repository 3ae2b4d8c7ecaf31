"""Let operators in, and keep requests from elsewhere out."""
