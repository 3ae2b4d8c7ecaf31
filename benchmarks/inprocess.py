"""Run our runner in this process, where a measurement needs no process of its own."""

from __future__ import annotations

from benchmarks.measure import Contender, Sample, Stopwatch
from benchmarks.project import fill, until_delivered
from benchmarks.server import Backend
from sp00ky_core import Outbox, RunnerOptions

__all__ = ["OURS", "ours", "counted"]

OURS = "ours"


async def ours(outbox: Outbox, jobs: int) -> Sample:
    """Measure a runner from when a quarter is done to the last success that is written."""
    await fill(outbox, jobs)
    runner = outbox.runner(RunnerOptions())
    await runner.start()
    await until_delivered(runner, jobs // 4)
    with Stopwatch() as watch:
        before = runner.succeeded
        await until_delivered(runner, jobs)
    await runner.drain()
    return watch.sample(jobs - before)


def counted(contender: Contender, target: Backend, jobs: int) -> Contender:
    """Check that each job made a request, and only one."""

    async def run() -> Sample:
        before = target.count()
        sample = await contender()
        if target.count() - before != jobs:
            raise RuntimeError(f"{target.count() - before} requests for {jobs} jobs")
        return sample

    return run
