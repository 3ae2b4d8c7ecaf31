"""An operator: redrives jobs that failed, and records it."""

import asyncio
import time
from contextlib import suppress
from random import Random

from chaos.history import Redrive
from chaos.project import BACKENDS
from sp00ky_core import JobStatus, Outbox

__all__ = ["Redriver"]

EVERY = 2.0
"""Seconds."""


REFUSED = "outcome unknown"
"""In the problem of one that would have to be told to resend."""


class Redriver:
    """Redrives a few of the latest failures of each backend now and then."""

    def __init__(self, outbox: Outbox, *, seed: int) -> None:
        self._outbox = outbox
        self._random = Random(f"redriver {seed}")  # noqa: S311  # repeatable, and no secret
        self.redrives: list[Redrive] = []

    async def run(self) -> None:
        """Redrive until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            with suppress(
                Exception
            ):  # the database is broken all the time; a redrive that may be is recorded
                await self._once(self._random.choice(BACKENDS))

    async def _once(self, backend: str) -> None:
        failed = await self._outbox.find(backend=backend, status=JobStatus.FAILED, limit=3)
        redrives = {job.id: Redrive(n=job.payload["n"], at=time.time()) for job in failed}
        self.redrives += redrives.values()
        for result in await self._outbox.redrive(*redrives):
            # Refused for sure; any other "illegal" may be the second try of a redrive whose reply was lost.
            if result.problem and REFUSED in result.problem:
                self.redrives.remove(redrives[result.job_id])
