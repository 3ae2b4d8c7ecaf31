"""``JobQuery`` as a WHERE clause, and the rows that it means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sp00ky_core.job import Job
from sp00ky_core.ports import JobQuery, JobTable
from sp00ky_core.stores.selecting import age_of
from sp00ky_store_surreal.connection import Connection
from sp00ky_store_surreal.ids import id_text, id_value, same_table
from sp00ky_store_surreal.queries import NUL, quoted, surql
from sp00ky_store_surreal.reading import Id, load, value_of

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
    where, bindings = _where(table, query)
    prelude = ""
    if query.after is not None:
        where = f"{where} AND {_AFTER}" if where else f"WHERE {_AFTER}"
        prelude = "LET $last_id = <record>$after; LET $last_created = $last_id.created_at;"
        bindings["after"] = id_value(query.after)
    statement = prelude + surql("find", table=quoted(table.table), where=where)
    reply = await connection.read(statement, limit=min(query.limit, 2**62), **bindings)
    return [value_of(row["id"]) for row in reply[-1]]


async def states(
    connection: Connection, tables: Sequence[JobTable], query: JobQuery
) -> dict[str, tuple[JobTable, Id, str]]:
    """What would differ if a job that matches had changed, by its id; the oldest first."""
    rows: list[tuple[str, str, JobTable, Id, str]] = []
    for table in tables:
        if query.backend in {None, table.backend}:
            where, bindings = _where(table, query)
            statement = surql("watched", table=quoted(table.table), where=where)
            for row in (await connection.read(statement, **bindings, **NUL))[0]:
                value = value_of(row["id"])
                rows.append((row["created"], id_text(value), table, value, row["state"]))
    return {text: (table, value, state) for _, text, table, value, state in sorted(rows, key=lambda each: each[:2])}


def _where(table: JobTable, query: JobQuery) -> tuple[str, dict[str, Any]]:
    conditions: list[str] = []
    bindings: dict[str, Any] = {}
    if query.ids is not None:
        conditions.append("id IN <array<record>>$ids")
        bindings["ids"] = ids_of(table, query.ids)
    if query.status is not None:
        conditions.append("status = $status")
        bindings["status"] = query.status.value
    if query.assigned_to is not None:
        conditions.append("assigned_to = <record>$parent")
        bindings["parent"] = id_value(query.assigned_to) or "nothing:⟨⟩"
    if query.path is not None:
        conditions.append("path = $path")
        bindings["path"] = query.path
    return ("WHERE " + " AND ".join(conditions) if conditions else ""), bindings
