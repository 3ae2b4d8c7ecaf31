"""Write one change of a schedule in one transaction: its row under a guard, the jobs of a fire, and runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from surrealdb import RecordID

from sp00ky_core.errors import RowRefused, StoreError
from sp00ky_core.ports import JobTable, ScheduleChange, ScheduleRun, Spawn
from sp00ky_core.schedules.definition import refused_run, run_row, run_with_job, schedule_row
from sp00ky_core.schedules.fire import job_key
from sp00ky_core.stores.ids import new_key
from sp00ky_core.stores.isolation import bisect
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.errors import reason_of, unwritable
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.rows import row_from
from sp00ky_store_surreal.store_part import StorePart
from sp00ky_store_surreal.surql.loader import quoted, surql


class ScheduleChanges(StorePart):
    """A part of the store: changes of schedules."""

    async def change_schedule(self, change: ScheduleChange) -> Sequence[ScheduleRun] | None:
        """See ``Schedules.change_schedule``. Raises ``SchemaError`` where the user may not write."""
        tables = {each.job.backend: self._of_backend(each.job.backend) for each in change.spawns}
        await self._ready.ensure()
        writing = _Writing(self._connection, change, tables, self._ready.whole_seconds())
        try:
            runs = await writing.write()
        except _Late:
            return None
        self._wake([run.job_id for run in runs if run.job_id is not None], work=True)
        return runs


class _Late(Exception):
    """Say that what was decided on has changed, so that nothing is written."""


class _Writing:
    """One change. A statement whose reply is lost is sent again: the row then says that it was written."""

    def __init__(
        self,
        connection: Connection,
        change: ScheduleChange,
        tables: Mapping[str, JobTable],
        whole_seconds: set[str],
    ) -> None:
        self._connection = connection
        self._change = change
        self._tables = tables
        self._whole_seconds = whole_seconds
        self._mark = new_key()  # of this change, and of none else
        self._taken: list[ScheduleRun] = []  # by the database, all together

    async def write(self) -> list[ScheduleRun]:
        """Write it all; jobs that the database refuses are found by trials, of which nothing is kept.

        Raises:
            _Late: the row isn't what it was any more, by another's change.
        """
        runs = [self._made(each) for each in self._change.spawns]
        for attempt in (self._try_alone, self._try_together):
            try:
                return await self._send(runs)
            except RowRefused:
                if all(run.job_id is None for run in runs):
                    raise
            runs = await bisect(self._change.spawns, attempt, _refused)
        return await self._send(runs)

    async def _try_alone(self, spawns: Sequence[Spawn]) -> list[ScheduleRun]:
        return await self._send([self._made(each) for each in spawns], tried=True)

    async def _try_together(self, spawns: Sequence[Spawn]) -> list[ScheduleRun]:
        """Try jobs beside those that were taken before: a rule may refuse two that it takes one by one."""
        runs = [self._made(each) for each in spawns]
        await self._send([*self._taken, *runs], tried=True)
        self._taken += runs
        return runs

    def _made(self, spawn: Spawn) -> ScheduleRun:
        return run_with_job(spawn, id_text(self._record(spawn)))

    def _record(self, spawn: Spawn) -> RecordID:
        return RecordID(self._tables[spawn.job.backend].table, spawn.job_key.hex)

    async def _send(self, runs: list[ScheduleRun], *, tried: bool = False) -> list[ScheduleRun]:
        """Send the change with the jobs of these runs; ``tried``: take it back."""
        jobs = self._jobs({run.job_id for run in runs})
        inserts = [
            surql("schedule_change_jobs", table=quoted(table), n=str(n)) for n, table in enumerate(jobs)
        ]
        statement = surql("schedule_change", jobs="".join(inserts))
        bindings = self._row() | {f"jobs{n}": rows for n, rows in enumerate(jobs.values())}
        bindings |= {"runs": _run_rows(() if tried else (*runs, *self._change.runs))}
        bindings |= {"tried": tried, "done": self._mark}
        try:
            reply = await self._connection.write(statement, **bindings)
        except RowRefused as error:
            if tried and self._mark in error.problem:
                return runs
            raise
        return self._written(reply[-1]["outcome"], runs)

    def _written(self, outcome: str, runs: list[ScheduleRun]) -> list[ScheduleRun]:
        if outcome == "late":
            raise _Late
        if outcome == "unkept":
            raise unwritable(self._connection.target.location, "sp00ky_schedule")
        return runs

    def _row(self) -> dict[str, Any]:
        schedule = self._change.schedule
        row = schedule_row(schedule)
        error = row["last_error"]
        row |= {"paused": schedule.paused, "removed": schedule.removed}
        row["last_error"] = None if error is None else error.replace("\0", "\ufffd")
        return {
            "schedule": RecordID("sp00ky_schedule", schedule.name),
            "revision": schedule.revision,
            "change": self._mark,
            "row": {name: value for name, value in row.items() if value is not None},
        }

    def _jobs(self, job_ids: set[str | None]) -> dict[str, list[dict[str, Any]]]:
        """Build the rows of jobs, by table."""
        jobs: dict[str, list[dict[str, Any]]] = {}
        for each in self._change.spawns:
            record, backend = self._record(each), each.job.backend
            if id_text(record) in job_ids:
                row = row_from(each.job, record, whole_seconds=backend in self._whole_seconds)
                jobs.setdefault(self._tables[backend].table, []).append(row)
        return jobs


def _run_rows(runs: Iterable[ScheduleRun]) -> list[dict[str, Any]]:
    """Build the rows of runs; their ids are made of what they are unique by."""
    rows = []
    for run in runs:
        key = RecordID("sp00ky_schedule_run", job_key(run.schedule, run.fired_at, run.key).hex)
        values = {name: value for name, value in run_row(run).items() if value is not None}
        rows.append({"id": key, **values})
    return rows


async def _refused(spawn: Spawn, error: StoreError) -> list[ScheduleRun]:
    return [refused_run(spawn, reason_of(error))]
