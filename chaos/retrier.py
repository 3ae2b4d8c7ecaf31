"""An operator: retries jobs that failed, and records it."""

import asyncio
import time
from contextlib import suppress
from random import Random

from chaos.history import Retry
from chaos.project import BACKENDS
from sp00ky_core import JobStatus, Outbox

__all__ = ["Retrier"]

EVERY = 2.0
"""Seconds."""


REFUSED = "outcome unknown"
"""In the problem of one that would have to be told to resend."""


class Retrier:
    """Retries a few of the latest failures of each backend now and then."""

    def __init__(self, outbox: Outbox, *, seed: int) -> None:
        self._outbox = outbox
        self._random = Random(f"retrier {seed}")  # noqa: S311  # repeatable, and no secret
        self.retries: list[Retry] = []

    async def run(self) -> None:
        """Retry until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            with suppress(Exception):  # the database is broken all the time; a retry that may be is recorded
                await self._once(self._random.choice(BACKENDS))

    async def _once(self, backend: str) -> None:
        failed = await self._outbox.find(backend=backend, status=JobStatus.FAILED, limit=3)
        retries = {job.id: Retry(n=job.payload["n"], at=time.time()) for job in failed}
        self.retries += retries.values()
        for result in await self._outbox.retry(*retries):
            # Refused for sure; any other "illegal" may be the second try of a retry whose reply was lost.
            if result.problem and REFUSED in result.problem:
                self.retries.remove(retries[result.job_id])
