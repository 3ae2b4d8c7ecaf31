"""Cancel runners at random moments: no job may be lost, and no task be left behind."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, cast

import attrs

from sp00ky_core.job.job import Job, JobStatus, NewJob
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.ports import Attempt, JobQuery, Store
from sp00ky_core.runner import Runner, RunnerOptions
from sp00ky_core.testing.perform import ScriptedTransport

__all__ = ["CancelledRunners", "SlowObserver", "Suspending", "turns"]

HASTY = RunnerOptions(
    grace=0.005,
    poll=0.02,
    beat_interval=0.005,
    beat_stale=5,
    reclaim_after=0.02,
    dead_after=0.05,
    runner_id="cancelled",
)
CANCELLATIONS = (1, 1, 1, 2, 3)  # of one runner: the second one often hits its drain
TURNS = 60
"""Of the event loop: about what a runner takes from its start to the end of a few jobs."""
PATIENCE = 60.0
"""Seconds that a statement gets to end after its caller was cancelled."""


async def turns(count: int) -> None:
    """Let the event loop turn so often."""
    for _ in range(count):
        await asyncio.sleep(0)


class Suspending:
    """A store whose calls suspend before and after they take effect, as those of a database do."""

    def __init__(self, store: Store, *, seed: int) -> None:
        self._store = store
        self._random = Random(seed)  # noqa: S311  # repeatable, and no secret

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._store, name)
        if not inspect.iscoroutinefunction(member):
            return member

        async def suspended(*args: Any, **options: Any) -> Any:
            await turns(self._random.randrange(3))
            result = await member(*args, **options)
            await turns(self._random.randrange(3))
            return result

        return suspended


class SlowObserver:
    """A plugin whose hooks suspend: register it, for observers are awaited in places of their own."""

    @hookimpl
    async def sp00ky_runner_started(self) -> None:
        """Suspend."""
        await turns(2)

    @hookimpl
    async def sp00ky_runner_stopped(self) -> None:
        """Suspend."""
        await turns(2)

    @hookimpl
    async def sp00ky_job_settled(self) -> None:
        """Suspend."""
        await turns(5)


class CancelledRunners:
    """Enqueues jobs and cancels one runner after the other while it is at work on them.

    ``points`` counts the places where the cancellations have hit.

    Args:
        outbox: with a store that is open, and jobs of its first backend only.
        seed: of every choice.
        seconds: about what a runner takes from its start to the end of a few jobs; None: turns of the event
            loop are counted instead, for a store that waits for nothing else.
    """

    def __init__(self, outbox: Outbox, *, seed: int, seconds: float | None = None) -> None:
        self._outbox = outbox
        self._random = Random(seed)  # noqa: S311  # repeatable, and no secret
        self._seconds = seconds
        self._transport = ScriptedTransport(self._answer)
        self._calm = False
        self.points: Counter[str] = Counter()

    async def run(self, rounds: int) -> None:
        """Cancel so many runners; then let one work undisturbed, and check every job."""
        before = asyncio.all_tasks()
        with _complaints() as complaints:
            for _ in range(rounds):
                await self._round()
                await _ended(asyncio.all_tasks() - before)
            self._calm = True
            async with self._runner() as runner:
                await runner.until_empty()
            gc.collect()
        assert complaints == []
        await self._check()

    async def _round(self) -> None:
        retries = self._random.choices((0, 1, 3), k=self._random.randrange(4))
        await self._outbox.run_many(
            next(iter(self._outbox.backends)),
            [NewJob(path="/spookify", payload={}, max_retries=retry) for retry in retries],
        )
        runner = self._runner()
        task = asyncio.create_task(self._at_work(runner))
        for _ in range(self._random.choice(CANCELLATIONS)):
            await self._moment()
            self.points[_place_of(task)] += 1
            task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()  # it had come to its end before, or there is a fault
        await runner.drain()
        assert not self._transport.is_open
        assert runner.in_flight == 0

    async def _at_work(self, runner: Runner) -> None:
        async with runner:
            if self._random.random() < 0.5:
                await runner.until_empty()
            else:
                await self._moment()  # and then it drains, with whatever is in flight

    def _runner(self) -> Runner:
        return self._outbox.runner(attrs.evolve(HASTY, random=self._random.random), transport=self._transport)

    async def _moment(self) -> None:
        if self._seconds is None:
            await turns(self._random.randrange(TURNS))
        else:
            await asyncio.sleep(self._random.random() * self._seconds)

    async def _answer(self, _attempt: Attempt) -> Outcome:
        await turns(self._random.randrange(4))
        fate = self._random.random()
        if fate < 0.1 and not self._calm:
            await asyncio.Event().wait()
        if fate < 0.2:
            raise RuntimeError("a transport with a bug (meant)")
        return Undelivered(name="http_status", code=500) if fate < 0.4 else Delivered()

    async def _check(self) -> None:
        requests = Counter(attempt.job.id for attempt in self._transport.attempts)
        jobs = await self._outbox.store.find(JobQuery(limit=100_000))
        assert jobs
        for job in jobs:
            assert job.is_terminal, job
            assert requests[job.id] <= 1 + job.max_retries, job
            assert job.status is JobStatus.FAILED or requests[job.id], job
            assert job.status is JobStatus.SUCCESS or _says_why(job), job


async def _ended(left: set[asyncio.Task[Any]]) -> None:
    """Check that nothing of the runner's is left; a store may let a statement that was cut off end."""
    assert not [task for task in left if task.get_name().startswith("sp00ky-")]
    if left:
        _, pending = await asyncio.wait(left, timeout=PATIENCE)
        assert not pending


def _says_why(job: Job) -> bool:
    return len(job.errors) == 1 + job.max_retries


def _place_of(task: asyncio.Task[None]) -> str:
    """Name where the task waits: the functions from the outermost to the innermost."""
    names, waits = [], cast("Any", task.get_coro())
    while waits is not None and hasattr(waits, "cr_frame"):
        if waits.cr_frame is not None:
            names.append(f"{waits.__name__}:{waits.cr_frame.f_lineno}")
        waits = waits.cr_await
    return " > ".join(names) or "ended"


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect the event loop's complaints: exceptions never retrieved, tasks destroyed."""
    loop, complaints = asyncio.get_running_loop(), list[str]()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: complaints.append(str(context)))
    try:
        yield complaints
    finally:
        loop.set_exception_handler(before)
