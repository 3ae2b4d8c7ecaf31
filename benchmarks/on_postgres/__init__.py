"""The benchmarks on PostgreSQL."""
