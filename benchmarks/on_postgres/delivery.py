"""Measure how fast a full queue is emptied: over HTTP, by a function, and with nothing sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median

from benchmarks.measure import Sample, in_turns, median_ratio, nothing
from benchmarks.on_postgres.drive import Load, drain
from benchmarks.peers.protocol import SLOTS
from benchmarks.peers.registry import (
    BARE,
    BY_HAND,
    DBOS,
    FUNCTIONS,
    GRAPHILE,
    INSERTS,
    OBAN,
    OURS,
    OURS_AIOHTTP,
    PGQUEUER,
    PROCRASTINATE,
    PROGRAMS,
)
from benchmarks.report import Bound, Section, rate_rows
from benchmarks.server import Backend, backend
from benchmarks.setting import Setting

__all__ = ["one", "two", "noop", "function", "ratio"]

QUEUES = [name for name, program in PROGRAMS.items() if program.left and name not in {INSERTS, *FUNCTIONS}]
IN_PYTHON = (PGQUEUER, PROCRASTINATE, OBAN, DBOS)
JOBS = 40_000
FEWER = {DBOS: 2_000, PROCRASTINATE: 4_000, "faststream-outbox": 8_000, PGQUEUER: 20_000, OBAN: 20_000}
"""Jobs of those who would take much longer than the others."""


async def one(setting: Setting) -> Section:
    """Deliver over HTTP, by one process."""
    with backend() as target:
        samples = await _samples(setting, [BARE, *QUEUES], processes=1, target=target)
    return Section(
        title="HTTP delivery, one process",
        rows=rate_rows(samples, GRAPHILE),
        bounds=[
            *ratio(samples, "HTTP delivery, one process, to graphile-worker", OURS, GRAPHILE, 1.3),
            *ratio(samples, "HTTP delivery, aiohttp engine, to the bare loop", OURS_AIOHTTP, BARE, 0.8),
            *_database(samples),
        ],
        note=_note(setting, f"at most {SLOTS} requests at a time to {target.kind}"),
        rounds=samples,
    )


async def two(setting: Setting) -> Section:
    """Deliver over HTTP, by two processes."""
    names = [name for name in QUEUES if name != BY_HAND]
    with backend() as target:
        samples = await _samples(setting, names, processes=2, target=target)
    what = "HTTP delivery, two processes, to graphile-worker's two"
    return Section(
        title="HTTP delivery, two processes",
        rows=rate_rows(samples, GRAPHILE),
        bounds=ratio(samples, what, OURS, GRAPHILE, 1.4),
        note=_note(setting, f"at most {SLOTS} requests at a time by each process to {target.kind}"),
        rounds=samples,
    )


async def noop(setting: Setting) -> Section:
    """Claim and settle, with nothing between."""
    names = [name for name in QUEUES if name not in {BY_HAND, OURS_AIOHTTP}]
    samples = await _samples(setting, names, processes=1, target=None)
    return Section(
        title="Nothing sent, one process",
        rows=rate_rows(samples, GRAPHILE),
        bounds=ratio(samples, "nothing sent, to graphile-worker", OURS, GRAPHILE, 1.0),
        note=_note(setting, "claimed and settled, with nothing between"),
        rounds=samples,
    )


async def function(setting: Setting) -> Section:
    """Run a function of an application in the runner's process, as the peers in Python run theirs."""
    names = [OURS, *FUNCTIONS, *IN_PYTHON]
    samples = await _samples(setting, names, processes=1, target=None)
    named = {f"{name}, nothing sent" if name == OURS else name: taken for name, taken in samples.items()}
    fastest = max(
        (name for name in IN_PYTHON if name in samples), key=lambda name: _rate(samples[name]), default=""
    )
    task, bare, *_ = FUNCTIONS
    return Section(
        title="A function, one process",
        rows=rate_rows(named, fastest or None),
        bounds=[
            *ratio(samples, "a function, to the fastest function in Python", task, fastest, 1.5),
            *_beyond_nothing(samples, task, 8),
            *ratio(samples, "a bare ASGI function, to the fastest function in Python", bare, fastest, 1.0),
            *_beyond_nothing(samples, bare, 15),
        ],
        note=_note(setting, "claimed, given to a function that reads its payload, and settled"),
        rounds=named,
    )


def _rate(samples: Sequence[Sample]) -> float:
    return median(sample.rate for sample in samples)


def _beyond_nothing(samples: Mapping[str, list[Sample]], function: str, at_most: float) -> list[Bound]:
    if OURS not in samples or function not in samples:
        return []
    used = [median(sample.cpu_us for sample in samples[name]) for name in (function, OURS)]
    what = f"a {function}, CPU beyond nothing sent, µs"
    return [Bound(what=what, measured=used[0] - used[1], at_most=at_most)]


async def _samples(
    setting: Setting, names: Sequence[str], *, processes: int, target: Backend | None
) -> dict[str, list[Sample]]:
    contenders = {
        program.name: partial(
            drain,
            program,
            setting.postgres,
            Load(
                jobs=setting.count(FEWER.get(program.name, JOBS), 2_000), processes=processes, target=target
            ),
        )
        for program in setting.programs(names)
    }
    return await in_turns(contenders, setting.rounds, before=nothing)


def ratio(
    samples: Mapping[str, list[Sample]], what: str, one: str, other: str, at_least: float
) -> list[Bound]:
    """Return the bound on the ratio of two contenders' rates, where both were measured."""
    if one not in samples or other not in samples:
        return []
    return [Bound(what=what, measured=median_ratio(samples, one, other), at_least=at_least)]


def _database(samples: Mapping[str, list[Sample]]) -> list[Bound]:
    used = [samples[name][0].database_cpu_us for name in (OURS, GRAPHILE) if name in samples]
    if len(used) < 2 or used[0] is None or not used[1]:
        return []
    what = "database CPU of a delivered job, to graphile-worker"
    return [Bound(what=what, measured=used[0] / used[1], at_most=1.15)]


def _note(setting: Setting, how: str) -> str:
    fewer = ", ".join(f"{name} {jobs:,}" for name, jobs in FEWER.items())
    return (
        f"{setting.count(JOBS, 2_000):,} jobs ({fewer}) of 200 bytes in a new database, {how}; measured "
        "from when a quarter is done until the last one is written."
    )
