"""Rows that the database refuses to write: they are spoken of now and then, and left alone for a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from sp00ky_core.errors import RowRefused

__all__ = ["Refusals"]

logger = logging.getLogger(__name__)

QUIET = 300.0
"""Seconds in which a row isn't spoken of again."""

REST = 30.0
"""Seconds after which a row gets another chance: its rule may have been mended."""

MOST = 1_000
"""How many rows are remembered; of more, the ones refused first are forgotten."""


class Refusals:
    """Logs refused rows, each once per ``QUIET``, and knows which were refused just now."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], float] = {}
        self._refused: dict[tuple[str, str], float] = {}

    def tell(self, verb: str, refused: Mapping[str, RowRefused]) -> None:
        """Log that jobs (by id) can't be settled, released, deleted (``verb``), and what was said of one."""
        now = time.monotonic()
        for job_id in refused:
            _put(self._refused, (verb, job_id), now)
        job_id, error = next(iter(refused.items()), ("", None))
        if error is None or now < self._told.get((verb, job_id), now):
            return
        _put(self._told, (verb, job_id), now + QUIET)
        more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        logger.error("job %s%s can't be %s, the database refuses it: %s", job_id, more, verb, error.problem)

    def resting(self, verb: str) -> list[str]:
        """The ids of the jobs that were refused within ``REST``."""
        since = time.monotonic() - REST
        return [job_id for (done, job_id), at in self._refused.items() if done == verb and at > since]


def _put(known: dict[tuple[str, str], float], key: tuple[str, str], value: float) -> None:
    known.pop(key, None)
    if len(known) >= MOST:
        del known[next(iter(known))]
    known[key] = value
