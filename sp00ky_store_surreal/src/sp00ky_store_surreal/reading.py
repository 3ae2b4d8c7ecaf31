"""Read rows, whatever they hold: in one go where that works, with care where a value can't be replied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import attrs
from surrealdb import RecordID

from sp00ky_core.errors import StoreError
from sp00ky_core.job import Job
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.connection import Connection
from sp00ky_store_surreal.errors import NO_ROWS_FAULT, ReplyUnreadable, reason_of
from sp00ky_store_surreal.ids import bare_table, id_value
from sp00ky_store_surreal.mapping import job_from
from sp00ky_store_surreal.queries import MARK, NUL, surql

__all__ = ["Id", "Raw", "reply_keys", "jobs_in", "jobs_of", "load", "load_safely", "nameable"]

Id = RecordID | str
"""As it is bound."""

Raw = RecordID | str
"""As a statement returned it: as text, where the key is an array or an object."""

COLUMNS = (
    *(
        "id",
        "path",
        "payload",
        "status",
        "retries",
        "max_retries",
        "retry_strategy",
        "timeout",
        "assigned_to",
    ),
    *("dedup_key", "traceparent", "created_at", "updated_at", "run_at", "lease_until", "lease_epoch"),
    *("runner_id", "errors", "result"),
)
"""The names of ``columns.surql``, and what ``load.surql`` adds: rows come as lists, cheaper to decode."""

_SPELT = (str, int, UUID)
"""Keys that have the same text here and there."""

_ERRORS = "(IF string::matches(<string>[errors], $far) { [] } ELSE { errors }) AS errors"


def reply_keys(number: int, table: JobTable) -> dict[str, str]:
    """What ``composite.surql`` binds: how a record of the table with an array or an object as key begins.

    Which names are put in quotes is the database's own affair (keywords, on a server).
    """
    bare, quoted = bare_table(table.table), f"`{table.table}`"
    return {
        f"array_key{number}": f"{bare}:[",
        f"object_key{number}": f"{bare}:{{",
        f"array_quoted{number}": f"{quoted}:[",
        f"object_quoted{number}": f"{quoted}:{{",
    }


async def load(connection: Connection, table: JobTable, ids: Sequence[Id]) -> list[Job]:
    """The rows of these ids that exist, whole."""
    if not ids:
        return []
    try:
        reply = await connection.read(surql("load", n="0"), ids0=list(ids), **NUL, **reply_keys(0, table))
    except NO_ROWS_FAULT:
        raise
    except StoreError:
        return await load_safely(connection, table, ids)
    return await jobs_in(connection, table, reply[-1])


async def jobs_in(connection: Connection, table: JobTable, reply: Any) -> list[Job]:
    """The jobs of a reply of ``reply.surql``; rows that need care are read again."""
    if isinstance(reply, Mapping):
        return await load_safely(connection, table, nameable(reply["unsafe"]))
    rows = [dict(zip(COLUMNS, row, strict=False)) for row in reply]
    _check_ids(connection, rows)
    odd = [row["id"] for row in rows if _needs_care(row)]
    careful = {job.id: job for job in await load_safely(connection, table, odd)} if odd else {}
    jobs = (job_from(row, table) for row in rows)
    return [careful.get(job.id, job) for job in jobs]


async def jobs_of(connection: Connection, table: JobTable, rows: Sequence[Mapping[str, Any]]) -> list[Job]:
    """The jobs of a shared claim's rows; some of them need care."""
    _check_ids(connection, rows)
    odd = [row["id"] for row in rows if _needs_care(row)]
    careful = await load_safely(connection, table, odd) if odd else []
    return [job_from(row, table) for row in rows if not _needs_care(row)] + careful


def _check_ids(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Raises ``ReplyUnreadable`` for a key that should have come as text: what is asked for next is its text.

    No statement finds a row by what Python makes of such a key: its job would be sent, and never settled.
    """
    if not all(isinstance(row["id"].id, _SPELT) for row in rows):
        raise ReplyUnreadable(store=connection.target.location, problem="a job's id is of an unexpected kind")


def _needs_care(row: Mapping[str, Any]) -> bool:
    """Whether the payload is no text, or the parent's key is one that the database must make text of."""
    parent = row.get("assigned_to")
    odd_parent = isinstance(parent, RecordID) and not isinstance(parent.id, _SPELT)
    return odd_parent or not isinstance(row.get("payload"), str)


async def load_safely(connection: Connection, table: JobTable, ids: Sequence[Id]) -> list[Job]:
    """As ``load``, with clients' text made fit for a reply, and a row that still isn't by itself."""
    try:
        rows = await _select(connection, ids, _ERRORS)
    except NO_ROWS_FAULT:
        raise
    except StoreError:
        if len(ids) == 1:
            return await _worst(connection, table, ids[0])
        half = len(ids) // 2
        return [
            *await load_safely(connection, table, ids[:half]),
            *await load_safely(connection, table, ids[half:]),
        ]
    return [job_from(row, table) for row in rows]


async def _worst(connection: Connection, table: JobTable, row_id: Id) -> list[Job]:
    for more in ("[] AS errors", "[] AS errors, <string>[payload] AS payload"):
        try:
            rows = await _select(connection, [row_id], more)
        except NO_ROWS_FAULT:
            raise
        except StoreError as error:
            problem = reason_of(error)
        else:
            return [job_from(row, table) for row in rows]
    # What the transitions need and nothing of a client's, so that the job can still be ended.
    try:
        reply = await connection.read(surql("load_barely"), ids=[row_id])
    except NO_ROWS_FAULT:
        raise
    except StoreError:
        return []  # not even its id
    defect = f"its values can't be read: {problem}"
    return [attrs.evolve(job_from(row, table), defect=defect) for row in reply[-1]]


async def _select(connection: Connection, ids: Sequence[Id], more: str) -> list[dict[str, Any]]:
    reply = await connection.read(surql("load_safely", more=more), ids=list(ids), **NUL)
    rows: list[dict[str, Any]] = reply[-1]
    return rows


def nameable(raws: Iterable[Raw]) -> list[Id]:
    """What to bind for ids as a statement returned them; one that can't be written down is left out."""
    values = (id_value(raw.replace(MARK, "\0")) if isinstance(raw, str) else raw for raw in raws)
    return [each for each in values if each is not None]
