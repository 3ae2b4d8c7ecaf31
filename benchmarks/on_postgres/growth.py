"""Measure rate and memory of ours as the jobs that wait, the backends and the processes become more."""

from __future__ import annotations

from functools import partial

import attrs

from benchmarks.measure import Sample, in_turns, nothing
from benchmarks.on_postgres.backlog import add
from benchmarks.on_postgres.drive import Load, drain
from benchmarks.peers.registry import OURS, PROGRAMS, Program, own
from benchmarks.report import Section, rate_rows
from benchmarks.server import backend
from benchmarks.setting import Setting

__all__ = ["waiting", "backends", "processes"]

JOBS = 20_000


async def waiting(setting: Setting) -> Section:
    """Deliver with 10,000, 100,000 and 1,000,000 jobs waiting."""
    counts = (10_000, 100_000, 1_000_000)[: setting.count(3, 1)]
    found: dict[str, list[Sample]] = {}
    with backend() as target:
        for count in counts:
            load = Load(
                jobs=min(JOBS, count),
                target=target,
                fill=partial(add, rows=count, status="pending"),
                drains=False,
            )
            found[f"{count:,} waiting"] = [await drain(PROGRAMS[OURS], setting.postgres, load)]
    return Section(
        title="Growth: jobs that wait",
        rows=rate_rows(found),
        note=f"The first {JOBS:,} of them delivered by one process (all, where there are fewer).",
        rounds=found,
    )


async def backends(setting: Setting) -> Section:
    """Deliver to 1, 10 and 50 backends, each with a table of its own."""
    jobs = setting.count(JOBS, 2_000)
    with backend() as target:
        load = Load(jobs=jobs, target=target)
        contenders = {
            f"{count} backends": partial(drain, _with_backends(count), setting.postgres, load)
            for count in (1, 10, 50)
        }
        found = await in_turns(contenders, setting.rounds, before=nothing)
    return Section(
        title="Growth: backends",
        rows=rate_rows(found),
        note=f"{jobs:,} jobs, the same number for each backend; one process, a table for each backend.",
        rounds=found,
    )


async def processes(setting: Setting) -> Section:
    """Deliver by 1, 2 and 4 processes."""
    jobs = setting.count(JOBS, 2_000)
    with backend() as target:
        contenders = {
            f"{count} processes": partial(
                drain, PROGRAMS[OURS], setting.postgres, Load(jobs=jobs, target=target, processes=count)
            )
            for count in (1, 2, 4)
        }
        found = await in_turns(contenders, setting.rounds, before=nothing)
    return Section(
        title="Growth: processes",
        rows=rate_rows(found),
        note=f"{jobs:,} jobs; all processes, the backend and the database share the machine's cores.",
        rounds=found,
    )


def _with_backends(count: int) -> Program:
    return attrs.evolve(PROGRAMS[OURS], command=own(f"httptools:{count}"), left=None)
