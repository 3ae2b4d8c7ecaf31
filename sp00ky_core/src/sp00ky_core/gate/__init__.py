"""Decide whether a backend's jobs may be claimed and started, as one process sees it.

No IO; the clock is passed in.
"""
