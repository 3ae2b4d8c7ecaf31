"""An operator: pauses and resumes backends, reschedules jobs that wait, and records it."""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta
from random import Random

from chaos.history import Pause, Reschedule
from chaos.project import BACKENDS
from sp00ky_core import JobStatus, OperatorFate, Outbox, StoreError

__all__ = ["Operator"]

PAUSED = (6.0, 9.0)
"""Seconds of a pause, at least and at most."""

UNPAUSED = (2.0, 5.0)
"""Seconds from one to the next."""

RESCHEDULED = 4
"""Jobs at a time."""

LATER = (2.0, 8.0)
"""Seconds from now until a rescheduled job is due."""

AGAIN = 0.2
"""Seconds until a resume is tried again."""


class Operator:
    """Steers a fleet while it is broken."""

    def __init__(self, outbox: Outbox, *, seed: int) -> None:
        self._outbox = outbox
        self._random = Random(f"operator {seed}")  # noqa: S311  # repeatable, and no secret
        self._seen: set[str] = set()
        self._paused: list[Pause] = []  # or may be
        self.pauses: list[Pause] = []
        self.reschedules: list[Reschedule] = []

    async def run(self) -> None:
        """Pause one backend after the other, and reschedule jobs meanwhile, until cancelled."""
        while True:
            for backend in reversed(BACKENDS):
                with suppress(StoreError):  # it may be broken; the record says what is known
                    await self._pause(backend)
                await self._reschedule_for(*PAUSED)
                await self.resume()
                await self._reschedule_for(*UNPAUSED)

    async def resume(self) -> None:
        """Resume what is paused, or may be."""
        while self._paused:
            pause = self._paused[0]
            pause.until = min(pause.until, time.time())
            try:
                await self._outbox.resume(pause.backend)
            except StoreError:
                await asyncio.sleep(AGAIN)
            else:
                self._paused.remove(pause)

    async def _pause(self, backend: str) -> None:
        pause = Pause(backend=backend)
        self.pauses.append(pause)
        self._paused.append(pause)
        await self._outbox.pause(backend, reason="chaos")
        pause.since = time.time()

    async def _reschedule_for(self, least: float, most: float) -> None:
        with suppress(StoreError):
            await self._reschedule(self._random.choice(BACKENDS))
        await asyncio.sleep(self._random.uniform(least, most))

    async def _reschedule(self, backend: str) -> None:
        """Put off a few jobs that wait, none of them twice."""
        found = await self._outbox.find(backend=backend, status=JobStatus.PENDING, limit=50)
        fresh = [job for job in found if job.id not in self._seen]
        jobs = {job.id: job for job in self._random.sample(fresh, min(RESCHEDULED, len(fresh)))}
        if not jobs:
            return
        self._seen |= jobs.keys()
        delay = self._random.uniform(*LATER)
        due = time.time() + delay
        for result in await self._outbox.reschedule(*jobs, delay=timedelta(seconds=delay)):
            if result.fate is OperatorFate.RESCHEDULED:
                record = Reschedule(n=jobs[result.job_id].payload["n"], done=time.time(), due=due)
                self.reschedules.append(record)
