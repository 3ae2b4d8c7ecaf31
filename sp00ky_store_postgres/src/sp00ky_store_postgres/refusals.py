"""Say of a row that the database refuses to write it, and not at every try."""

from __future__ import annotations

import logging
import time

from sp00ky_core.errors import StoreError

__all__ = ["Refusals"]

logger = logging.getLogger(__name__)

QUIET = 300.0
"""Seconds in which a row isn't spoken of again."""

MOST = 1_000
"""How many rows are remembered; of more, the ones spoken of first may be spoken of again early."""


class Refusals:
    """Logs refused rows, each once per ``QUIET``."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], float] = {}

    def tell(self, job_id: str, verb: str, error: StoreError) -> None:
        """Log that a job can't be settled, released or deleted (``verb``), and what the database said."""
        now = time.monotonic()
        if now < self._told.get((job_id, verb), now):
            return
        self._told.pop((job_id, verb), None)
        if len(self._told) >= MOST:
            del self._told[next(iter(self._told))]
        self._told[job_id, verb] = now + QUIET
        logger.error("job %s can't be %s, the database refuses it: %s", job_id, verb, error.problem)
