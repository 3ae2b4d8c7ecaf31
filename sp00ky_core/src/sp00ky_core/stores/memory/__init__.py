"""Keep jobs in this process's memory: the reference store."""
