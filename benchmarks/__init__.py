"""What the outbox can do, measured beside its peers; ``python -m benchmarks`` from the repository's root."""
