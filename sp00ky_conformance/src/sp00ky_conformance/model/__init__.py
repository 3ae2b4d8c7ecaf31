"""Compare a store with a model, step by step."""
