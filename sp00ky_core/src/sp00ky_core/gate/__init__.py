"""Decide whether a backend's jobs may be claimed and started, as one process sees it; no IO, no clock."""

from sp00ky_core.gate.gate import Gate

__all__ = ["Gate"]
