"""A session of schedules: many that fire each 10 s, while runners and the database break."""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from random import Random

import attrs

from chaos.backend import ChaoticBackend
from chaos.database import Database
from chaos.faults import GRACE, Scene
from chaos.history import EVERYBODY, Disturbance, Request, Row, write_records
from chaos.monkey import Monkey
from chaos.stage import beside, staged, until_ended
from sp00ky_core import Outbox
from sp00ky_schedules import ScheduleRun, Schedules
from sp00ky_schedules.model.records import RunQuery
from sp00ky_schedules.tables import ScheduleTables

__all__ = ["EVERY", "Fire", "Fired", "run_schedules"]

EVERY = 10.0
"""Seconds from one fire to the next."""

PATIENCE = 30.0
"""Seconds by which a fire may be late on a busy machine, where nothing is broken."""

AROUND = 5.0
"""Seconds before and after an outage in which a fire's lateness isn't counted."""

KINDS = (
    *("kill -9", "freeze", "deploy", "database restart", "connections cut", "failover", "reply lost"),
    "partition",
)

CLOCKS = {"s": f"every: {EVERY:.0f}s", "c": f'cron: "*/{EVERY:.0f} * * * * *"'}
"""By the first letter of a schedule's name: when it fires."""

SCHEDULE = "  {name}: {{{clock}, backend: calm, route: /calm, payload: {{n: -{n}}}, concurrency: allow}}\n"
"""Its number is negative, for it mustn't be that of a job which the application enqueues."""


@attrs.frozen(kw_only=True)
class Fire:
    """A run, and what became of its job.

    Attributes:
        schedule: Its name.
        at: When it fired.
        job_id: None: no job was made.
        status: The job's; None: there is no such job.
        request: The number of the request whose answer is the job's result.
    """

    schedule: str
    at: float
    job_id: str | None
    status: str | None
    request: int | None


@attrs.frozen(kw_only=True)
class Fired:
    """What a session has shown.

    Attributes:
        fires: By schedule, in their order.
        jobs: Ids of all jobs that schedules have made.
        requests: That arrived at the backend.
        disturbances: What was broken.
        outcries: Lines of the runners' logs that tell of a bug.
    """

    fires: Mapping[str, Sequence[Fire]]
    jobs: Sequence[str]
    requests: Sequence[Request]
    disturbances: Sequence[Disturbance]
    outcries: Sequence[str] = ()

    def complaints(self) -> list[str]:
        """What should not have happened."""
        return [
            *self._jobs_that_are_not_one_to_one(),
            *self._undelivered(),
            *self._untimely(),
            *self.outcries,
        ]

    def waits(self) -> list[float]:
        """Seconds from when a fire was due to the fire, apart from those around an outage; sorted."""
        return sorted(
            fire.at - due for fire, due in self._due() if not self._outage(due - AROUND, due + AROUND)
        )

    def lateness(self) -> list[float]:
        """Seconds from when such a fire was due to its first request; sorted."""
        starts: dict[int, list[float]] = {}
        for request in self.requests:
            starts.setdefault(request.n, []).append(request.at)
        return sorted(
            next(at for at in starts[-int(fire.schedule[1:])] if at >= fire.at) - due
            for fire, due in self._due()
            if fire.request is not None and not self._outage(due - AROUND, due + AROUND)
        )

    def figures(self) -> str:
        """Numbers, in one line."""
        fires = sum(map(len, self.fires.values()))
        return (
            f"{fires:,} fires of {len(self.fires)} schedules; fired after {_spread(self.waits())}, "
            f"first request after {_spread(self.lateness())}"
        )

    def _jobs_that_are_not_one_to_one(self) -> Iterator[str]:
        """A fire has one job, a job one fire."""
        fires = [fire for fired in self.fires.values() for fire in fired]
        made = [fire.job_id for fire in fires if fire.job_id is not None]
        if len(made) != len(set(made)) or Counter(made) != Counter(self.jobs):
            yield f"{len(made)} fires have made a job, and there are {len(self.jobs)} jobs of schedules"
        for fire in fires:
            if fire.job_id is None:
                yield f"schedule {fire.schedule} fired at {fire.at:.3f} and made no job"

    def _undelivered(self) -> Iterator[str]:
        answered = {request.number: request.n for request in self.requests}
        for fire in (fire for fired in self.fires.values() for fire in fired):
            n = -int(fire.schedule[1:])
            if fire.status != "success" or answered.get(fire.request or 0) != n:
                yield f"schedule {fire.schedule} fired at {fire.at:.3f}, and its job is {fire.status}"

    def _untimely(self) -> Iterator[str]:
        """No fire comes early, and none is left out, apart from those that coalesced in an outage."""
        for fire, due in self._due():
            late = fire.at - due
            if late < 0:
                yield f"schedule {fire.schedule} fired at {fire.at:.3f}, {-late:.3f} s too early"
            elif late > PATIENCE + self._outage(due - AROUND, fire.at):
                yield f"schedule {fire.schedule} fired at {fire.at:.3f}, {late:.1f} s too late"

    def _due(self) -> Iterator[tuple[Fire, float]]:
        """Each fire but a schedule's first, and when it was due."""
        for fired in self.fires.values():
            for before, fire in pairwise(fired):
                yield fire, _next(before)

    def _outage(self, since: float, until: float) -> float:
        """Seconds of a time in which everybody was cut off."""
        return sum(
            max(0.0, min(until, disturbance.until + AROUND) - max(since, disturbance.since))
            for disturbance in self.disturbances
            if disturbance.runner == EVERYBODY
        )


def _next(fire: Fire) -> float:
    """When a schedule fires next, as its clock has it."""
    by_cron = fire.schedule.startswith("c")
    return (fire.at // EVERY + 1) * EVERY if by_cron else round(fire.at + EVERY, 6)


def _spread(seconds: Sequence[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100) if len(seconds) > 1 else [0.0] * 99
    return f"{cuts[49]:.2f} s (median), {cuts[98]:.2f} s (p99), {max(seconds, default=0):.2f} s at most"


async def run_schedules(
    *,
    seed: int,
    seconds: float,
    database: Database,
    folder: Path,
    runners: int = 4,
    every: int = 60,
    cron: int = 60,
) -> Fired:
    """Break everything for a while; wait until each schedule has fired again, and its jobs have ended."""
    backend = ChaoticBackend(seed, weights={"ok": 1})
    names = [
        *(f"s{n:03}" for n in range(1, every + 1)),
        *(f"c{n:03}" for n in range(every + 1, every + cron + 1)),
    ]
    setting = staged(database, folder, backend, runners=runners, grace=GRACE, extra=_blocks(names), seed=seed)
    async with setting as stage:
        scene = Scene(
            database=database,
            fleet=stage.fleet,
            enqueuer=stage.enqueuer,
            application=stage.application,
            random=Random(f"monkey {seed}"),  # noqa: S311  # repeatable, and no secret
        )
        async with beside(stage.enqueuer.run()):
            await Monkey(scene, KINDS).run(seconds)
        await stage.enqueuer.finish()
        await _until_each_has_fired(stage.outbox, names)
        for name in names:
            await stage.outbox.extension(Schedules).pause(name)
        await stage.fleet.stop_all()  # no fire is due meanwhile: it would be late by this session's own doing
        backend.calm = True
        await stage.fleet.ready(await stage.fleet.start())
        await until_ended(database)
        await stage.fleet.stop_all()
        rows = {row.job_id: row for row in await database.rows() if row.n < 0}
        fires = [_fire(run, rows) for run in await _runs(stage.outbox)]
        write_records(folder, fires=fires, requests=backend.requests, disturbances=scene.disturbances)
        return Fired(
            fires=_by_schedule(fires),
            jobs=list(rows),
            requests=backend.requests,
            disturbances=scene.disturbances,
            outcries=stage.fleet.outcries(),
        )


def _blocks(names: Iterable[str]) -> str:
    schedules = (SCHEDULE.format(name=name, clock=CLOCKS[name[0]], n=int(name[1:])) for name in names)
    return "schedules:\n" + "".join(schedules)


async def _runs(outbox: Outbox) -> list[ScheduleRun]:
    """All runs, in their order."""
    return (await _tables(outbox).runs(RunQuery(limit=None)))[::-1]


def _tables(outbox: Outbox) -> ScheduleTables:
    return ScheduleTables(outbox.extensions.context("schedules"))


async def _until_each_has_fired(outbox: Outbox, names: Sequence[str]) -> None:
    """Wait until each schedule has fired twice from now on."""
    now, fires = datetime.now(UTC), {name: set[datetime]() for name in names}
    async with asyncio.timeout(2 * EVERY + 3 * PATIENCE):
        while any(len(fire) < 2 for fire in fires.values()):
            await asyncio.sleep(2)  # it can only be asked, and rows of runs are many
            for name, stored in (await _tables(outbox).schedules()).schedules.items():
                if stored.last_fired_at is not None and stored.last_fired_at > now:
                    fires[name].add(stored.last_fired_at)


def _fire(run: ScheduleRun, rows: Mapping[str, Row]) -> Fire:
    row = rows.get(run.job_id or "")
    return Fire(
        schedule=run.schedule,
        at=run.fired_at.timestamp(),
        job_id=run.job_id,
        status=row and row.status,
        request=((row and row.result) or {}).get("request"),
    )


def _by_schedule(fires: Iterable[Fire]) -> dict[str, list[Fire]]:
    found: dict[str, list[Fire]] = {}
    for fire in fires:
        found.setdefault(fire.schedule, []).append(fire)
    return found
