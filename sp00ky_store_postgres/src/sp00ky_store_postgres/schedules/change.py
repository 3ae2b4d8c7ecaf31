"""Write one change of a schedule in one transaction: its row under a guard, the jobs of a fire, and runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import ScheduleChange, ScheduleRun, Spawn
from sp00ky_core.schedules.rows import refused_run, run_row, run_with_job, schedule_row
from sp00ky_core.stores.isolation import write_around
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.errors import is_refusal, translated
from sp00ky_store_postgres.jobs.enqueue import Enqueues
from sp00ky_store_postgres.part import StorePart

PORTION = 500
"""Jobs in one statement: with the longest payloads too, it is shorter than PostgreSQL's longest message."""

IDLE_SECONDS = 5.0
"""After which the server gives up the transaction of a runner that has frozen or is cut off.

Until then no other one can fire the schedule, for its row is locked.
"""


NEW_SAVEPOINT = "SAVEPOINT jobs"


class ScheduleChanges(StorePart):
    """Writes changes."""

    _enqueues: Enqueues

    async def change_schedule(self, change: ScheduleChange) -> Sequence[ScheduleRun] | None:
        """See ``Schedules.change_schedule``."""
        for each in change.spawns:
            self._executor.tables.of(each.job.backend)
        writing = _Writing(self._executor, self._enqueues, change)
        runs = await self._executor.run(Workload.REST, writing.attempt)
        if runs is not None:
            await self._announcements.tables(["sp00ky_schedule"])
        return runs


class _Writing:
    """One change, which is tried again where the connection was lost."""

    def __init__(self, executor: Executor, enqueues: Enqueues, change: ScheduleChange) -> None:
        self._tables = executor.tables
        self._location = executor.location
        self._enqueues = enqueues
        self._change = change
        self._transaction: str | None = None  # the id of the last one that wrote the row
        self._runs: list[ScheduleRun] = []  # that it has written
        self._savepoint = NEW_SAVEPOINT  # before the next jobs are inserted; empty: it is set

    async def attempt(self, connection: Any) -> list[ScheduleRun] | None:
        """Write it all; None: the row isn't what it was any more, by another's change."""
        async with connection.transaction(isolation="read_committed"):
            idle = f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS * 1_000:.0f}ms'"
            # A deferred constraint would refuse all jobs, at the end.
            await connection.execute(f"{idle}; SET CONSTRAINTS ALL IMMEDIATE")
            self._savepoint = NEW_SAVEPOINT
            if await self._write_row(connection):
                self._runs = await self._spawn(connection)
                await self._write_runs(connection, self._runs)
                await self._write_runs(connection, self._change.runs)
                return self._runs
        return self._runs if await self._was_committed(connection) else None

    async def _write_row(self, connection: Any) -> bool:
        row = schedule_row(self._change.schedule)
        row |= {"paused": bool(row["paused"]), "removed": bool(row["removed"])}
        name = "schedule_update" if self._change.schedule.revision else "schedule_add"
        rows = await connection.fetch(self._tables.statement(name), *row.values())
        if rows:
            self._transaction = rows[0][0]
        return bool(rows)

    async def _was_committed(self, connection: Any) -> bool:
        """Tell whether an earlier attempt got through, whose reply was lost."""
        if self._transaction is None:
            return False
        statement = self._tables.statement("schedule_committed")
        return bool(await connection.fetchval(statement, self._transaction))

    async def _spawn(self, connection: Any) -> list[ScheduleRun]:
        """Insert the jobs; those that the database refuses cost no other."""
        spawns, runs = self._change.spawns, list[ScheduleRun]()
        for first in range(0, len(spawns), PORTION):
            portion = spawns[first : first + PORTION]
            try:
                runs += await self._insert(connection, portion)
            except RowRefused:
                runs += await self._insert_around(connection, portion)
        return runs

    async def _insert_around(self, connection: Any, spawns: Sequence[Spawn]) -> list[ScheduleRun]:
        """Find by trial which jobs the database refuses, and insert the others at once.

        A savepoint that is kept takes a lock until the end of the transaction, and the server has few.
        """
        by_key = {each.job_key: each for each in spawns}

        async def write(keys: Sequence[UUID]) -> Sequence[ScheduleRun]:
            return await self._insert(connection, [by_key[key] for key in keys])

        await connection.execute("SAVEPOINT trial")
        self._savepoint = NEW_SAVEPOINT
        _, refused = await write_around(list(by_key), write)
        await connection.execute("ROLLBACK TO SAVEPOINT trial; RELEASE SAVEPOINT trial")
        self._savepoint = ""
        runs = {key: refused_run(by_key[key], error.problem) for key, error in refused.items()}
        others = [each for each in spawns if each.job_key not in refused]
        inserted = await self._insert(connection, others)
        runs |= {each.job_key: run for each, run in zip(others, inserted, strict=True)}
        return [runs[each.job_key] for each in spawns]

    async def _insert(self, connection: Any, spawns: Sequence[Spawn]) -> list[ScheduleRun]:
        """Insert jobs; where the database refuses any of them, none. Raises ``RowRefused``."""
        pairs = [(str(each.job_key), each.job) for each in spawns]
        if self._savepoint:  # the driver's own isn't released where it is rolled back
            await connection.execute(self._savepoint)
        self._savepoint = f"RELEASE SAVEPOINT jobs; {NEW_SAVEPOINT}"
        try:
            jobs = await self._enqueues.insert(pairs, connection.fetch)
        except Exception as error:
            if not (isinstance(error, RowRefused) or is_refusal(error)):
                raise  # the executor knows whether it can be tried again
            await connection.execute("ROLLBACK TO SAVEPOINT jobs")
            self._savepoint = ""
            raise translated(error, self._location) from error
        return [run_with_job(each, jobs[str(each.job_key)].id) for each in spawns]

    async def _write_runs(self, connection: Any, runs: Sequence[ScheduleRun]) -> None:
        if runs:
            columns = zip(*(run_row(each).values() for each in runs), strict=True)
            await connection.fetch(self._tables.statement("schedule_runs_write"), *map(list, columns))
