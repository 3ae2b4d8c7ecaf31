"""The peer's program and what it needs; named in `benchmarks.peers.registry`."""
