"""Log that the database is lost, whichever call meets it, and that it is back; count the calls that fail."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sp00ky_core.errors import Sp00kyError, StoreError, StoreUnavailable
from sp00ky_core.observe.counters import Counters

logger: logging.Logger = logging.getLogger(__name__)


AGAIN = 60.0
"""Seconds until it is said again, for a database that stays away."""


class StoreLog:
    """Logs an outage of the database once a minute, though many calls meet it many times; and its end.

    Args:
        clock: Seconds, monotonic.
        counters: Where failures are counted.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, counters: Counters | None = None) -> None:
        self._counters = counters or Counters()
        self._clock = clock
        self._lost_at: float | None = None
        self._say_at = 0.0

    def failed(self, doing: str, error: Sp00kyError) -> None:
        """Count a call that failed, and log it, unless an outage explains it that was logged already."""
        self.count(error)
        if not isinstance(error, StoreUnavailable):
            logger.warning("%s: %s", doing, error)
            return
        now = self._clock()
        if self._lost_at is None:
            self._lost_at = self._say_at = now
        if now < self._say_at:
            logger.debug("%s: %s", doing, error)
            return
        self._say_at = now + AGAIN
        text = "the database can't be reached, jobs wait and outcomes are kept: %s: %s"
        logger.warning(text, doing, error, extra={"event": "store_lost"})

    def count(self, error: Sp00kyError) -> None:
        """Count a call of the store that failed."""
        self._counters.store_errors += isinstance(error, StoreError)

    def worked(self) -> None:
        """Log the end of an outage, if there was one."""
        if self._lost_at is None:
            return
        seconds, self._lost_at = self._clock() - self._lost_at, None
        logger.warning("the database is back after %.1f s", seconds, extra={"event": "store_back"})
