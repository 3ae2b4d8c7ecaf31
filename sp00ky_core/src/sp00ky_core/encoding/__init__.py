"""Read and write JSON and YAML, and a job as JSON."""
