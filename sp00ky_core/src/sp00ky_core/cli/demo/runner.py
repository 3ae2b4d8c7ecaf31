"""Run the demo's jobs in a process of its own, which is to be killed: ``python -m``, the configuration."""

from __future__ import annotations

import asyncio
import logging
import pickle
import sys
from base64 import b64decode, b64encode
from collections.abc import Sequence

from sp00ky_core.cli.options import run_async
from sp00ky_core.cli.signals import stop_order, unless_stopped
from sp00ky_core.job.job import Job
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.runner import RunnerOptions

STORE = "surrealkv://./sp00ky.db"
"""In the configuration's folder; SP00KY_STORE doesn't count: the demo touches no real jobs."""

QUICK = RunnerOptions(beat_interval=0.25, dead_after=1.0, reclaim_after=1.0, grace=1.0)
"""A demo is short: what is lost is reclaimed after a second or two, elsewhere after some ten."""

LOOK = 0.2
"""Seconds between two looks at the jobs."""

MOST_JOBS = 1_000
"""More than the demo has."""


async def _run(config: str) -> None:
    with stop_order() as stopped:  # the demo ends, or dies
        async with Outbox.open(config, store=STORE) as outbox, outbox.runner(QUICK):
            await unless_stopped(stopped, _report(outbox))


async def _report(outbox: Outbox) -> None:
    """Print the jobs again and again, until each has ended."""
    while True:
        jobs = await outbox.find(limit=MOST_JOBS)
        sys.stdout.buffer.write(line_of(jobs))
        sys.stdout.buffer.flush()
        if all(job.is_terminal for job in jobs):
            return
        await asyncio.sleep(LOOK)


def line_of(jobs: Sequence[Job]) -> bytes:
    """Write jobs as a line."""
    return b64encode(pickle.dumps(jobs)) + b"\n"


def jobs_of(line: bytes) -> Sequence[Job]:
    """Read the jobs of a line."""
    jobs: Sequence[Job] = pickle.loads(b64decode(line))  # noqa: S301  # the demo's own process wrote it
    return jobs


if __name__ == "__main__":
    logging.disable(logging.ERROR)  # what is retried is on the screen
    run_async(_run(sys.argv[1]))
