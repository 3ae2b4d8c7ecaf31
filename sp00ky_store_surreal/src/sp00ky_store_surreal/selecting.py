"""``JobQuery`` as a WHERE clause, and the rows that it means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.job import Job
from sp00ky_core.ports import JobQuery, JobTable
from sp00ky_core.stores.selecting import age_of
from sp00ky_store_surreal.connection import Connection
from sp00ky_store_surreal.ids import id_text, id_value, same_table
from sp00ky_store_surreal.queries import NUL, quoted, surql
from sp00ky_store_surreal.reading import Id, load, nameable

__all__ = ["find", "states", "ids_of"]

_AFTER = (
    "(created_at < $last_created OR created_at = NONE AND $last_created != NONE "
    "OR (created_at = $last_created AND id < $last_id))"
)


def ids_of(table: JobTable, job_ids: Iterable[str]) -> list[Id]:
    """Those of the ids that name rows of this table, to be bound."""
    values = (id_value(each) for each in job_ids if same_table(each, table.table))
    return [each for each in values if each is not None]


async def find(connection: Connection, tables: Sequence[JobTable], query: JobQuery) -> list[Job]:
    """Jobs, newest first."""
    jobs: list[Job] = []
    for table in tables:
        if query.backend in {None, table.backend}:
            jobs += await load(connection, table, await _newest(connection, table, query))
    return sorted(jobs, key=age_of, reverse=True)[: query.limit]


async def _newest(connection: Connection, table: JobTable, query: JobQuery) -> list[Id]:
    part = _part(table, query)
    bindings = part.bindings | {"limit": min(query.limit, 2**62)}
    if query.after is not None:
        part.conditions.append(_AFTER)
        part.preludes.append("LET $last_id = <record>$after; LET $last_created = $last_id.created_at; ")
        bindings["after"] = id_value(query.after)
    reply = await connection.read(surql("find", **part.names), **bindings)
    return nameable(row["id"] for row in reply[-1])


async def states(
    connection: Connection, tables: Sequence[JobTable], query: JobQuery
) -> dict[str, tuple[JobTable, Id, str]]:
    """What would differ if a job that matches had changed, by its id; the oldest first."""
    rows: list[tuple[str, str, JobTable, Id, str]] = []
    for table in tables:
        if query.backend in {None, table.backend}:
            part = _part(table, query)
            reply = await connection.read(surql("watched", **part.names), **part.bindings, **NUL)
            for row in reply[-1]:
                rows += [
                    (row["created"], id_text(value), table, value, row["state"])
                    for value in nameable([row["id"]])
                ]
    rows.sort(key=lambda each: each[:2])
    return {text: (table, value, state) for _, text, table, value, state in rows}


@attrs.frozen(kw_only=True)
class _Part:
    """What a query means in one table. Ids and casts stand apart: inside WHERE they would scan the table."""

    source: str
    preludes: list[str] = attrs.field(factory=list)
    conditions: list[str] = attrs.field(factory=list)
    bindings: dict[str, Any] = attrs.field(factory=dict)

    @property
    def names(self) -> dict[str, str]:
        where = "WHERE " + " AND ".join(self.conditions) if self.conditions else ""
        return {"prelude": "".join(self.preludes), "source": self.source, "where": where}


def _part(table: JobTable, query: JobQuery) -> _Part:
    part = _Part(source=quoted(table.table) if query.ids is None else "$wanted")
    if query.ids is not None:
        part.preludes.append("LET $wanted = <array<record>>$ids; ")
        part.bindings["ids"] = ids_of(table, dict.fromkeys(query.ids))
    if query.assigned_to is not None:
        part.preludes.append("LET $parent = <record>$parent_id; ")
        part.conditions.append("assigned_to = $parent")
        part.bindings["parent_id"] = id_value(query.assigned_to) or RecordID("nobody", "")
    if query.path is not None:
        part.conditions.append("path = $path")
        part.bindings["path"] = query.path
    if query.status is not None:
        part.conditions.append("status = $status")
        part.bindings["status"] = query.status.value
    return part
