"""``python -m benchmarks.calls``: count the Python calls that a delivered job costs its runner.

The runner delivers from PostgreSQL over HTTP, as users have it, to a backend in a process of its own. Each
frame that is entered counts, also a coroutine's that is resumed; calls of C don't. On a busy machine claims
and settles are smaller, and their own calls are shared by fewer jobs: so the least of some rounds counts. The
functions that are called most are listed with the calls of each that a job costs.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from types import CodeType, FrameType
from typing import Any

import uvloop

from benchmarks.on_postgres.server import Postgres, running
from benchmarks.project import fill, opened, until_delivered
from benchmarks.server import backend
from sp00ky_core import Outbox, Plugins, RunnerOptions, load_plugins

__all__ = ["counting_calls", "main"]

JOBS = 10_000

INSTALLED = {"sp00ky-core", "sp00ky-store-postgres", "sp00ky-transport-http"}
"""Distributions whose plugins are loaded, whatever else this environment has: observers cost calls, too."""

WARM_UP = 500
"""Jobs that a runner delivers before the count begins: what is made once in a process is made by then."""

ROUNDS = 3

LEAST = 0.02
"""Calls of a function in a job, below which it isn't listed."""


@contextmanager
def counting_calls() -> Iterator[Counter[CodeType]]:
    """Count the calls of each function in this thread."""
    calls: Counter[CodeType] = Counter()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            calls[frame.f_code] += 1

    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def main() -> None:
    """Print the calls of a job, in all and by function."""
    with running() as postgres, backend() as target:
        calls = uvloop.run(_delivering(postgres, target.url))
    print(f"{calls.total() / JOBS:.1f} calls a job (Python {sys.version.split()[0]}, {JOBS:,} jobs)")
    for code, count in calls.most_common():
        if count >= LEAST * JOBS:
            print(f"{count / JOBS:7.2f}  {_place(code)}")


async def _delivering(postgres: Postgres, target: str) -> Counter[CodeType]:
    async with (
        postgres.database() as url,
        opened(store=url, base_url=target, plugins=_plugins()) as outbox,
    ):
        await _delivered(outbox, WARM_UP)
        return min([await _delivered(outbox, JOBS) for _ in range(ROUNDS)], key=Counter.total)


async def _delivered(outbox: Outbox, jobs: int) -> Counter[CodeType]:
    await fill(outbox, jobs)
    with counting_calls() as calls:
        async with outbox.runner(RunnerOptions()) as runner:
            await until_delivered(runner, jobs)
    return calls


def _plugins() -> Plugins:
    points = entry_points(group="sp00ky")
    return load_plugins([point for point in points if point.dist and point.dist.name in INSTALLED])


def _place(code: CodeType) -> str:
    path = code.co_filename.partition("site-packages/")[2] or code.co_filename.partition("/src/")[2]
    return f"{path or code.co_filename}:{code.co_firstlineno} {code.co_qualname}"


if __name__ == "__main__":
    main()
