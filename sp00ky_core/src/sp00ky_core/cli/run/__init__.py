"""Run jobs in a process of its own: ``sp00ky run``."""
