"""Declare the two tables; change schedules with the jobs of a fire, read and prune their runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeVar
from uuid import UUID

import attrs

from sp00ky_core.errors import RowRefused, StoreError
from sp00ky_core.job.job import Job
from sp00ky_core.ports import (
    Column,
    ExtensionTransaction,
    Index,
    Is,
    KeyedJob,
    Kind,
    Table,
    TransactionWork,
    Where,
)
from sp00ky_core.stores.ids import chunks
from sp00ky_core.stores.refused_writes import write_around
from sp00ky_schedules.model.definition import (
    refused_run,
    run_of,
    run_row,
    run_with_job,
    schedule_of,
    schedule_row,
)
from sp00ky_schedules.model.fire import job_key
from sp00ky_schedules.model.records import (
    MAX_ROWS,
    OPEN_RUN,
    RunQuery,
    RunStatus,
    ScheduleChange,
    ScheduleRun,
    ScheduleSnapshot,
    Spawn,
    StoredSchedule,
)

__all__ = ["SCHEDULES", "SCHEDULE_RUNS", "ScheduleTables", "Source"]

T = TypeVar("T")

VERSION = 6
"""Of the two tables, which the core has made up to 0.3."""

SCHEDULES = Table(
    "sp00ky_schedule",
    (
        Column("name", Kind.TEXT, length=255),
        Column("definition", Kind.JSON),  # as sp00ky.yml has it
        Column("hash", Kind.TEXT, length=64),
        Column("seen", Kind.JSON),  # hashes of all definitions that it has had
        Column("origin", Kind.TEXT, "file", length=10),  # file or python
        Column("revision", Kind.INTEGER, 0),  # raised by each change, which is guarded by it
        Column("paused", Kind.INTEGER, 0),
        Column("removed", Kind.INTEGER, 0),
        Column("next_fire_at", Kind.INSTANT),
        Column("last_fired_at", Kind.INSTANT),
        Column("last_error", Kind.TEXT),
        Column("failures", Kind.JSON),  # by key, in a row
        Column("job_table", Kind.TEXT, length=255),
    ),
    ("name",),
    version=VERSION,
    remembers=True,
    signals=True,
)

SCHEDULE_RUNS = Table(
    "sp00ky_schedule_run",
    (
        Column("schedule", Kind.TEXT, required=True, length=255),
        Column("fired_at", Kind.INSTANT, required=True),
        Column("key", Kind.TEXT, "", required=True, length=255),
        Column("trigger", Kind.TEXT, "cron", required=True, length=10),
        Column("job_id", Kind.TEXT, length=310),
        Column("status", Kind.TEXT, "running", required=True, length=10),
        Column("error", Kind.JSON),
        Column("finished_at", Kind.INSTANT),
    ),
    ("schedule", "fired_at", "key"),
    (
        Index("running", ("schedule", "fired_at"), (Is("status", "=", RunStatus.RUNNING),)),
        Index("fired", ("fired_at", "schedule", "key")),
    ),
    version=VERSION,
    row_id=lambda schedule, fired_at, key: job_key(schedule, fired_at, key).hex,
)

KEY_PREFIX = "sch_"
"""Of the keys of jobs that a schedule has made, as Sp00ky has it."""

TRIES = 50
"""How often a row that changes meanwhile is read again; runners change it at each fire."""

Decide = Callable[[StoredSchedule | None, datetime], StoredSchedule | None]
"""Decides, by the row and the database's time, how the row is to be; None: as it is."""

Decisions = Mapping[str, Decide]
"""By the schedules' names."""


class Source(Protocol):
    """What of an ``ExtensionContext`` the tables need."""

    @property
    def location(self) -> str:
        """The store's."""

    async def transact(self, work: TransactionWork[T]) -> T:
        """Do work in one transaction."""

    async def read(self, work: TransactionWork[T]) -> T:
        """Do work that only reads."""

    async def query(self, query: str, *, limit: int) -> list[Mapping[str, Any]]:
        """Run a user's query."""


@attrs.frozen
class ScheduleTables:
    """Reads and writes schedules and their runs."""

    _source: Source

    async def schedules(self) -> ScheduleSnapshot:
        """Return all schedules, removed ones too, and the database's time, as one transaction sees them.

        Runners call it at each fire, every 5 s beside, and after signals: it costs a read of one small table.
        """
        return await self._source.read(_snapshot)

    async def change_schedule(self, change: ScheduleChange) -> Sequence[ScheduleRun] | None:
        """Write a change in one transaction, if the row's revision is what it was when it was read.

        Compare-and-set on ``revision``, which every change of a row raises by one, ``next_fire_at``'s too:
        of several changes that were decided on the same row, one is written, however many runners decide,
        and a pause, a new definition or a fire by hand meanwhile keeps the others out. A missing row has
        revision 0. Where it can't be written any more, nothing is, and None returned.

        In the same transaction: each spawn's job is inserted, pending and due at once, with an id made of
        ``job_key``, and its run with that ``job_id``; then ``runs``. A job that the database refuses (an
        ASSERT, a missing ``assigned_to``) costs no other: its run is written as ``failed``, ``finished_at``
        its ``fired_at``, with the error ``{"code": "row_refused", "reason": <what the database said>}``, and
        without ``job_id``. Returns the runs of the spawns as written, in order.

        Never half done, 10,000 spawns in it or none.
        """
        try:
            return await self._source.transact(Changing(change).write)
        except RowRefused:
            return await self._source.transact(Changing(change, apart=True).write)

    async def change(self, name: str, decide: Decide, runs: Sequence[ScheduleRun] = ()) -> bool:
        """Change one row, and write these runs with it; whether it was written.

        Raises:
            StoreError: It couldn't be, for it changes all the time.
        """
        for _ in range(TRIES):
            snapshot = await self.schedules()
            stored = snapshot.schedules.get(name)
            wanted = decide(stored, snapshot.now)
            if wanted is None or (wanted == stored and not runs):
                return False
            if await self.change_schedule(ScheduleChange(schedule=wanted, runs=runs)) is not None:
                return True
        raise self.changes_all_the_time(name)

    def changes_all_the_time(self, name: str) -> StoreError:
        """Return the error of a row that is never as it was read."""
        problem = f"schedule {name!r} changes all the time; try again"
        return StoreError(store=self._source.location, problem=problem)

    async def define(self, decisions: Decisions) -> list[str]:
        """Make the rows what is decided; return the names of those that were written."""
        wanted = undefined(await self.schedules(), decisions)
        return [name for name, decide in wanted.items() if await self.change(name, decide)]

    async def runs(self, query: RunQuery) -> list[ScheduleRun]:
        """List runs as their rows have them; their jobs aren't looked at."""
        return await self._source.read(partial(_find_runs, query=query))

    async def prune_runs(
        self, schedule: str, *, statuses: Collection[RunStatus], until: datetime, limit: int = 1_000
    ) -> list[str | None]:
        """Delete at most ``limit`` runs of these statuses that fired before ``until``; the job of each.

        A running one is never deleted. The jobs stay.
        """
        work = partial(_prune_runs, schedule=schedule, statuses=statuses, until=until, limit=limit)
        return await self._source.transact(work)

    async def forget_runs(self, job_ids: Collection[str]) -> int:
        """Delete the runs that have made these jobs; how many."""
        return await self._source.transact(partial(_forget_runs, job_ids=job_ids))

    async def query_rows(self, query: str, *, limit: int = MAX_ROWS + 1) -> list[Mapping[str, Any]]:
        """Run a schedule's query. Raises ``QueryRefused``."""
        return await self._source.query(query, limit=limit)


def undefined(snapshot: ScheduleSnapshot, decisions: Decisions) -> Decisions:
    """Return the decisions that change a row; nearly every start has none."""
    stored, now = snapshot.schedules, snapshot.now
    return {name: decide for name, decide in decisions.items() if decide(stored.get(name), now) is not None}


async def _insert(tx: ExtensionTransaction, spawns: Sequence[Spawn]) -> Sequence[Job]:
    """Insert the jobs of a fire, which were checked when it was decided, all or none; in order."""
    return await tx.enqueue(
        [KeyedJob(job=spawn.job, key=spawn.job_key, prefix=KEY_PREFIX, checked=True) for spawn in spawns]
    )


class _Tried(Exception):
    """A trial is over, and is undone."""


@attrs.frozen
class Changing:
    """Writes a change.

    Attributes:
        change: The change.
        apart: Find out which jobs the database refuses, and insert the others.
    """

    change: ScheduleChange
    apart: bool = False

    async def write(self, tx: ExtensionTransaction) -> list[ScheduleRun] | None:
        """Write it all; the runs of the spawns as written. None: the row isn't what it was any more."""
        if not await self._write_row(tx):
            return None
        refused = await self._refused(tx) if self.apart else {}
        spawns = [spawn for spawn in self.change.spawns if spawn.job_key not in refused]
        jobs = iter(await _insert(tx, spawns) if spawns else ())
        runs = [
            refused_run(spawn, refused[spawn.job_key])
            if spawn.job_key in refused
            else run_with_job(spawn, next(jobs).id)
            for spawn in self.change.spawns
        ]
        await tx.insert(SCHEDULE_RUNS, [run_row(run) for run in runs])
        await tx.put(SCHEDULE_RUNS, [run_row(run) for run in self.change.runs])
        return runs

    async def _write_row(self, tx: ExtensionTransaction) -> bool:
        schedule, row = self.change.schedule, schedule_row(self.change.schedule)
        if schedule.revision:
            guard = [Is("name", "=", schedule.name), Is("revision", "=", schedule.revision)]
            return await tx.update(SCHEDULES, guard, row) > 0
        if await tx.select(SCHEDULES, [Is("name", "=", schedule.name)], columns=["name"]):
            return False
        return await tx.insert_once(SCHEDULES, row)

    async def _refused(self, tx: ExtensionTransaction) -> dict[UUID, str]:
        """Find by trial which jobs the database refuses, and what it says.

        The trial is undone as a whole: a savepoint that is kept may take a lock until the transaction ends.
        """
        spawns, refused = {spawn.job_key: spawn for spawn in self.change.spawns}, dict[UUID, StoreError]()

        async def write(keys: Sequence[UUID]) -> Sequence[None]:
            async with tx.savepoint():
                await _insert(tx, [spawns[key] for key in keys])
            return ()

        with suppress(_Tried):
            async with tx.savepoint():
                _, refused = await write_around(list(spawns), write)
                raise _Tried
        return {key: error.problem for key, error in refused.items()}


LATEST_FIRST = ("-fired_at", "-schedule", "-key")


async def _snapshot(tx: ExtensionTransaction) -> ScheduleSnapshot:
    """Read all schedules, and the time."""
    rows = await tx.select(SCHEDULES, order=("name",))
    return ScheduleSnapshot(now=tx.now, schedules={row["name"]: schedule_of(row) for row in rows})


async def _find_runs(tx: ExtensionTransaction, query: RunQuery) -> list[ScheduleRun]:
    """Read runs that meet conditions, the latest first."""
    where: list[Where] = []
    for column, value in (("schedule", query.schedule), ("key", query.key)):
        where += [] if value is None else [Is(column, "=", value)]
    if len(query.statuses) == 1:
        where += [Is("status", "=", status) for status in query.statuses]
    elif query.statuses:
        where.append(Is("status", "in", tuple(query.statuses)))
    if query.job_ids is not None:
        where.append(Is("job_id", "in", tuple(query.job_ids)))
    rows = await tx.select(SCHEDULE_RUNS, where, order=LATEST_FIRST, limit=query.limit)
    return [run_of(row) for row in rows]


async def _prune_runs(
    tx: ExtensionTransaction, schedule: str, statuses: Collection[RunStatus], until: datetime, limit: int
) -> list[str | None]:
    """Delete runs that have ended and fired before an instant; the job of each."""
    where: list[Where] = [
        Is("schedule", "=", schedule),
        Is("status", "in", tuple(set(statuses).difference(OPEN_RUN))),
        Is("fired_at", "<", until),
    ]
    columns = (*SCHEDULE_RUNS.key, "job_id")
    rows = await tx.select(SCHEDULE_RUNS, where, order=("fired_at",), limit=limit, columns=columns, lock=True)
    return [row["job_id"] for row in await tx.take(SCHEDULE_RUNS, rows)]


async def _forget_runs(tx: ExtensionTransaction, job_ids: Collection[str]) -> int:
    return sum([await tx.delete(SCHEDULE_RUNS, [Is("job_id", "in", some)]) for some in chunks(job_ids)])
