"""Find and count jobs that meet a query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import attrs
from surrealdb import RecordID

from sp00ky_core.errors import CallUnsupported, JobNotFound
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.ports import JobFilter, JobQuery, JobTable
from sp00ky_core.stores.filters import age_of
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.ids import id_text, id_value, literal_key, table_of, unfinished_key
from sp00ky_store_surreal.observe.filters import Part, ids_of, part_of
from sp00ky_store_surreal.row_loading import DECIDED, LISTED, WHOLE, Lengths, load
from sp00ky_store_surreal.rows import count_of
from sp00ky_store_surreal.store_part import StorePart
from sp00ky_store_surreal.surql.loader import NUL, quoted, surql

_ENDED = frozenset({JobStatus.SUCCESS, JobStatus.FAILED})
_LAST_CHARACTER = "\U0010ffff"

_AFTER = "created_at <= $last_created AND (created_at != $last_created OR id < $after)"
"""NONE is before any instant. A server reads this range of the index from its end, as far as to the limit."""


class Reads(StorePart):
    """A part of the store: jobs by their ids, and by what they must meet."""

    async def get(self, job_id: str, *, connection: object = None) -> Job:
        """See ``Store.get``; it doesn't look into a caller's transaction."""
        self._refuse(connection, "get(connection=)")
        jobs = await self._load([job_id], WHOLE)
        if not jobs:
            raise JobNotFound(job_id=job_id)
        return jobs[0]

    async def find(self, query: JobQuery, *, connection: object = None) -> list[Job]:
        """See ``Store.find``; it doesn't look into a caller's transaction."""
        self._refuse(connection, "find(connection=)")
        await self._ready.ensure()
        if query.after is not None:
            await self.get(query.after)
        return await find(self._connection, self._tables, query)

    def _refuse(self, connection: object, call: str) -> None:
        if connection is not None:
            later = "leave the connection out, once your transaction has committed"
            raise CallUnsupported(store=self._connection.target.location, call=call, instead=later)

    async def count(self, conditions: JobFilter) -> int:
        """See ``Counts.count``."""
        await self._ready.ensure()
        total = 0
        for table in self._tables:
            if conditions.backend in {None, table.backend}:
                part = part_of(table, conditions)
                statement = surql("find_count", table=quoted(table.table), **part.names)
                every, others = (await self._connection.read(statement, **part.bindings))[-2:]
                total += count_of(every) - count_of(others)
        return total

    async def ids_starting_with(self, prefix: str, *, limit: int = 2) -> list[str]:
        """See ``ShortIds.ids_starting_with``; a key that is a number is found when it is whole."""
        await self._ready.ensure()
        exact = id_value(prefix)
        if exact is None or "\0" in prefix:
            return []
        key = unfinished_key(prefix)
        found: list[str] = []
        for table in self._tables:
            if table_of(prefix) == table.table:
                place = {
                    "from": f"{quoted(table.table)}:{literal_key(key)}",
                    "to": literal_key(key + _LAST_CHARACTER),
                }
                reply = await self._connection.read(
                    surql("find_ids_starting_with", **place), exact=exact, limit=limit
                )
                found += [id_text(row["id"]) for rows in reply for row in rows]
        return list(dict.fromkeys(found))[:limit]

    async def _load(self, job_ids: Sequence[str], lengths: Lengths = DECIDED) -> list[Job]:
        await self._ready.ensure()
        jobs: list[Job] = []
        for table in self._tables:
            jobs += await load(self._connection, table, ids_of(table, dict.fromkeys(job_ids)), lengths)
        wanted = frozenset(job_ids)
        return [job for job in jobs if job.id in wanted]


async def find(
    connection: Connection, tables: Sequence[JobTable], query: JobQuery, lengths: Lengths = LISTED
) -> list[Job]:
    """Find jobs, newest first."""
    jobs: list[Job] = []
    for table in tables:
        if query.backend in {None, table.backend}:
            jobs += await load(connection, table, await _newest(connection, table, query), lengths)
    return sorted(jobs, key=age_of, reverse=True)[: query.limit]


async def _newest(connection: Connection, table: JobTable, query: JobQuery) -> list[RecordID]:
    part = part_of(table, query)
    if query.after is not None:
        part.conditions.append(_AFTER)
        part.bindings["after"] = id_value(query.after)
    if query.ids is None and query.status is not None:
        part = await _by_age(connection, table, query, part)
    return await _ids(connection, part, query.limit)


async def _by_age(connection: Connection, table: JobTable, query: JobFilter, part: Part) -> Part:
    """Let a server walk along the newest jobs, if many have the status: else it sorts them all."""
    few = (query.assigned_to, query.ordering_key, query.runner_id)  # jobs that may be far from the newest
    if connection.target.embedded or any(each is not None for each in few):
        return part
    statement = surql("find_has_many", table=quoted(table.table))
    (is_many,) = await connection.read(statement, status=(query.status or JobStatus.SUCCESS).value)
    return attrs.evolve(part, source=f"{part.source} WITH INDEX sp00ky_newest") if is_many else part


async def _ids(connection: Connection, part: Part, limit: int) -> list[RecordID]:
    reply = await connection.read(surql("find_ids", **part.names), limit=min(limit, 2**31), **part.bindings)
    return list(reply[-1])


async def changed_since(
    connection: Connection, tables: Iterable[JobTable], since: datetime | None
) -> tuple[datetime, dict[str, str]]:
    """Read the database's clock, and what was written since then, which reads the tables whole.

    Returns:
        The clock, and by id what would differ if the row had changed. Without ``since`` no table is read.
    """
    statement = "RETURN time::now();"
    if since is not None:
        statement += "".join(surql("watch_changed_since", table=quoted(each.table)) for each in tables)
    now, *found = await connection.read(statement, since=since)
    return now, {id_text(row["id"]): row["state"] for each in found for row in each}


async def ended_ids(
    connection: Connection, table: JobTable, conditions: JobFilter, limit: int
) -> list[RecordID]:
    """List the newest jobs of a table that have ended and meet the conditions, at most ``limit``."""
    if conditions.backend not in {None, table.backend} or limit <= 0:
        return []
    part = part_of(table, conditions)
    if conditions.status not in _ENDED:
        part.conditions.append("status IN ['success', 'failed']")
    return await _ids(connection, await _by_age(connection, table, conditions, part), limit)


async def states(
    connection: Connection, tables: Sequence[JobTable], query: JobQuery
) -> dict[str, tuple[JobTable, RecordID, str]]:
    """Read what would differ if a job that matches had changed, by its id; the oldest first."""
    rows: list[tuple[str, str, JobTable, RecordID, str]] = []
    for table in tables:
        if query.backend in {None, table.backend}:
            part = part_of(table, query)
            reply = await connection.read(surql("watch_states", **part.names), **part.bindings, **NUL)
            rows += [
                (row["created"], id_text(row["id"]), table, row["id"], row["state"]) for row in reply[-1]
            ]
    rows.sort(key=lambda each: each[:2])
    return {text: (table, value, state) for _, text, table, value, state in rows}
