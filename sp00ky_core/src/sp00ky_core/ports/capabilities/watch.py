"""Promise to yield jobs as they change."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from sp00ky_core.job.job import Job
from sp00ky_core.ports.query import JobQuery


class Watch(Protocol):
    """A store with ``capabilities.watch``. Without it what watches, or waits, raises ``CallUnsupported``."""

    def watch(self, query: JobQuery, *, history: int | None = None) -> AsyncGenerator[Job, None]:
        """Yield the jobs that match now (oldest first), then each again when it has changed.

        With ``history`` only the latest so many of those that match now are yielded first, 0: none. The
        first of them, or the readiness for changes, comes without reading the table.

        With ``ids`` they are as ``get`` returns them, else as ``find`` does.

        States that follow each other quickly may be merged; the last one is never left out. ``limit`` and
        ``after`` don't count here. With ``ids`` it ends once none of them is there any more.
        """
