"""Turn rows into jobs and new jobs into rows; load rows in one go, or with care where one fits no reply."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import NoneType
from typing import Any
from uuid import UUID

import attrs
from surrealdb import RecordID

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.error_texts import shown
from sp00ky_core.errors import OptionInvalid, StoreError
from sp00ky_core.job.job import AttemptError, Job, JobStatus, NewJob
from sp00ky_core.job.options import is_plain_text
from sp00ky_core.job.outcome import HTTP
from sp00ky_core.job.state_machine import MAX_ERRORS
from sp00ky_core.ports import LONGEST_ERRORS, LONGEST_LISTED, LONGEST_TEXT, JobTable
from sp00ky_core.stores.refused_writes import bisect
from sp00ky_core.stores.rows import claimed_of, job_of
from sp00ky_store_surreal.connection.cbor import JSON_NULL
from sp00ky_store_surreal.connection.conflict_retries import Connection
from sp00ky_store_surreal.errors import NO_ROWS_FAULT, may_be_a_rows, reason_of
from sp00ky_store_surreal.ids import id_text, id_value
from sp00ky_store_surreal.surql.loader import MARK, NUL, surql

DEEPEST = 64
"""Values in values: what is nested deeper is kept as text."""

_NAMES: dict[type, frozenset[str]] = {
    dict: frozenset({"object"}),
    list: frozenset({"array"}),
    str: frozenset({"string"}),
    bool: frozenset({"bool"}),
    int: frozenset({"int", "number"}),
    float: frozenset({"float", "number"}),
}
"""Which types of a field take a value."""


@attrs.frozen(kw_only=True)
class ResultField:
    """Knows the values that a table's ``result`` takes.

    Attributes:
        kinds: Names of the types in its definition; ``any`` takes everything.
    """

    kinds: frozenset[str]

    @classmethod
    def of_type(cls, kind: str) -> ResultField:
        """Read a type as the database prints it; a field without one takes everything."""
        return cls(kinds=frozenset(re.findall(r"[a-z]+", kind)) or frozenset({"any"}))

    def value_of(self, result_json: bytes | None) -> Any:
        """Return what to bind for an answer; None: nothing is to be written."""
        if result_json is None:
            return None
        text = result_json.decode(errors="replace")
        if self == TEXT:
            return text
        try:
            value = decode(text)
            if value is None:
                return None
            return _bound(value, DEEPEST) if self._takes(value) else text
        except ValueError:
            return text

    def _takes(self, value: Any) -> bool:
        takes_text = "string" in self.kinds
        return "any" in self.kinds or not self.kinds.isdisjoint(_NAMES[type(value)]) or not takes_text


TEXT = ResultField(kinds=frozenset({"string"}))
"""The field of a table whose ``result`` is text, as ``migrate`` defines it."""


def _bound(value: Any, depth: int) -> Any:
    """Put the database's NULL for None in a value. Raises ``ValueError`` for what it wouldn't give back."""
    if depth == 0:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {_bound(key, 1): _bound(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_bound(item, depth - 1) for item in value]
    if isinstance(value, str) and not is_plain_text(value):
        raise ValueError("text that not every reply can hold")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("beyond 64 bits")
    return JSON_NULL if value is None else value


_PLAIN = frozenset({int, float, bool, list, dict, datetime, NoneType})
"""Types of values that are taken as they come; most of a row's have one of them."""


def job_from(row: Mapping[str, Any], table: JobTable) -> Job:
    """Read a row that a statement returned; no value makes it raise."""
    plain = {key: value if type(value) in _PLAIN else _plain(value) for key, value in row.items()}
    return job_of(
        plain, backend=table.backend, strategies=table.strategies, timeout_counts=table.timeout_overridable
    )


def row_from(new_job: NewJob | Job, key: RecordID | None, *, whole_seconds: bool = False) -> dict[str, Any]:
    """Build the row of a job; ``run_at`` by a delay is set by the database's clock afterwards.

    ``whole_seconds``: the table's ``timeout`` takes nothing else.
    """
    row: dict[str, Any] = {
        "id": key,
        "path": new_job.path,
        "payload": new_job.payload_json.decode(),
        "status": "pending",
        "retries": 0,
        "max_retries": new_job.max_retries,
        "retry_strategy": new_job.retry_strategy,
    }
    optional = {
        # Rounded up: an attempt cut short would be worse than one that may take longer.
        "timeout": math.ceil(new_job.timeout) if new_job.timeout and whole_seconds else new_job.timeout,
        "assigned_to": None if new_job.assigned_to is None else parent_of(new_job.assigned_to),
        "dedup_key": new_job.dedup_key,
        "dedup_live": new_job.dedup_key,
        "priority": new_job.priority or None,  # as in rows of clients, who may write none
        "ordering_key": new_job.ordering_key,
        "expires_at": new_job.expires_at,
        "traceparent": new_job.traceparent,
        "run_at": new_job.run_at,
    }
    return row | {name: value for name, value in optional.items() if value is not None}


def entry_of(error: AttemptError) -> dict[str, Any]:
    """Build an entry of ``errors``, but for its instants: a statement sets them."""
    return {
        "attempt": error.attempt,
        "code": error.code,
        "name": _clean(error.name),
        "reason": _clean(error.reason),
        "runner_id": None if error.runner_id is None else _clean(error.runner_id),
        **({} if error.scheme == HTTP else {"scheme": _clean(error.scheme)}),
        **({"trace": _clean(error.trace)} if error.trace else {}),
    }


def _clean(text: str) -> str:
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def parent_of(text: str) -> RecordID:
    """Read ``assigned_to`` as a record. Raises ``OptionInvalid``."""
    value = id_value(text)
    if not isinstance(value, RecordID) or value.id == "":
        raise OptionInvalid(
            option="assigned_to", value=repr(text)[:80], expected="a record's id, as in thread:abc"
        )
    return value


def count_of(reply: Any) -> int:
    """Read a count, of a row or none; the engine 3.2 gives the only row of an IF without its list."""
    row = reply[0] if isinstance(reply, list) and reply else reply
    return int(row["count"]) if row else 0


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):  # no column has it: shown as what it is, never taken for text
        return shown(value)
    if isinstance(value, str):
        return value.replace(MARK, "\0") if MARK in value else value
    return id_text(value) if isinstance(value, RecordID) else value


_SPELT = (str, int, UUID)
"""Types of keys that Python and the database write alike."""

_TEXTS = (
    *("path", "status", "retry_strategy", "dedup_key", "ordering_key", "traceparent", "runner_id"),
    *("request_id", "copied_from"),
)
_INSTANTS = (
    *("created_at", "updated_at", "run_at", "lease_until", "deferred_since", "ordering_at", "expires_at"),
    *("redacted_at", "claimed_at"),
)

MADE_FIT = surql(
    "job_columns_made_fit",
    fit=", ".join(
        [
            *(surql("text_made_fit", column=name, longest="longest_text").strip() for name in _TEXTS),
            *(surql("instant_made_fit", column=name).strip() for name in _INSTANTS),
            surql("text_made_fit", column="result", longest="longest_result").strip(),
        ]
    ),
).strip()
"""A job's columns, made fit for a reply, as a statement selects them."""

_ERRORS = surql("errors_made_fit").strip()


@attrs.frozen(kw_only=True)
class Lengths:
    """Says how much is read of what may be long; what is longer stays in the database.

    Attributes:
        payload: Characters.
        result: Characters.
        errors: Characters.
    """

    payload: int
    result: int
    errors: int = LONGEST_ERRORS

    def bindings(self, n: str = "0") -> dict[str, int]:
        """Build what statements bind for it; ``n``: the table's number."""
        return {
            f"short{n}": min(self.payload, self.result, self.errors, LONGEST_TEXT) // 2,
            f"longest{n}": self.payload,
            f"longest_row{n}": self.payload + self.result + self.errors + 16 * LONGEST_TEXT,
            "longest_result": self.result,
            "longest_errors": self.errors,
        }


LISTED = Lengths(payload=LONGEST_LISTED, result=LONGEST_LISTED, errors=LONGEST_LISTED)
WHOLE = Lengths(payload=2**61, result=2**61)
DECIDED = Lengths(payload=0, result=0)
"""For decisions, which depend on nothing that may be long."""

_Row = Mapping[str, Any]
_Again = Callable[[Sequence[_Row]], Awaitable[list[Job]]]
"""Loads rows again, with care; of each, ``id`` and ``lease_epoch`` are given."""


def claimed_lengths(table: JobTable) -> Lengths:
    """Return how much a claim reads."""
    return Lengths(payload=table.max_payload_bytes, result=LONGEST_ERRORS)


async def load(
    connection: Connection, table: JobTable, ids: Sequence[RecordID], lengths: Lengths
) -> list[Job]:
    """Load the rows of these ids that exist."""
    if not ids:
        return []
    try:
        reply = await connection.read(surql("load_jobs", n="0"), ids0=list(ids), **NUL, **lengths.bindings())
    except NO_ROWS_FAULT:
        raise
    except StoreError:
        return await load_safely(connection, table, ids, lengths)

    async def again(rows: Sequence[_Row]) -> list[Job]:
        return await load_safely(connection, table, [row["id"] for row in rows], lengths)

    return await _jobs_in(reply[-1], table, again)


async def read_claimed(
    connection: Connection, table: JobTable, rows: Sequence[_Row], runner_id: str
) -> list[Job]:
    """Read what a claim returned; load again the rows that need care, as ``load_claimed`` does."""
    again = partial(load_claimed, connection, table, runner_id=runner_id)
    return [claimed_of(job, table) for job in await _jobs_in(rows, table, again)]


async def load_claimed(
    connection: Connection, table: JobTable, rows: Sequence[_Row], runner_id: str
) -> list[Job]:
    """Load claimed rows whole, without those that are the claim's no more.

    Since the claim a client may have written to a row, or its lease have ended: an attempt of it would be
    made without a claim.

    Args:
        connection: The store's.
        table: The rows' table.
        rows: Of each, ``id`` and ``lease_epoch`` as the claim left them.
        runner_id: Whose claim it was.
    """
    claims = {(job.id, job.lease_epoch) for job in (job_from(row, table) for row in rows)}
    jobs = await load_safely(connection, table, [row["id"] for row in rows], claimed_lengths(table))
    return [
        claimed_of(job, table)
        for job in jobs
        if job.status is JobStatus.PROCESSING
        and job.runner_id == runner_id
        and (job.id, job.lease_epoch) in claims
    ]


async def _jobs_in(rows: Sequence[_Row], table: JobTable, again: _Again) -> list[Job]:
    """Read rows, in order; of those that are too long, or too odd, there is the id alone."""
    odd = [row for row in rows if _needs_care(row)]
    careful = {job.id: job for job in await again(odd)} if odd else {}
    jobs = [careful.get(id_text(row["id"])) if _needs_care(row) else job_from(row, table) for row in rows]
    return [job for job in jobs if job is not None]


def _needs_care(row: _Row) -> bool:
    """Whether the payload is no text, errors are many, or only the database can spell the parent's key."""
    parent, errors = row.get("assigned_to"), row.get("errors")
    odd_parent = isinstance(parent, RecordID) and not isinstance(parent.id, _SPELT)
    is_full = isinstance(errors, list) and len(errors) > MAX_ERRORS
    return odd_parent or is_full or not isinstance(row.get("payload"), str)


async def load_safely(
    connection: Connection, table: JobTable, ids: Sequence[RecordID], lengths: Lengths
) -> list[Job]:
    """Load rows with clients' text made fit for a reply, and a row that still isn't alone."""
    return await bisect(
        ids,
        lambda some: _select(connection, table, some, _ERRORS, lengths),
        lambda row_id, _: _worst(connection, table, row_id, lengths),
        refuses=may_be_a_rows,
    )


async def _worst(connection: Connection, table: JobTable, row_id: RecordID, lengths: Lengths) -> list[Job]:
    written = "(IF string::len(<string>[payload]) > $longest { $unread } ELSE { <string>[payload] })"
    for more in ("[] AS errors", f"[] AS errors, {written} AS payload"):
        try:
            return await _select(connection, table, [row_id], more, lengths)
        except NO_ROWS_FAULT:
            raise
        except StoreError as error:
            problem = reason_of(error)
    # What the transitions need and nothing of a client's, so that the job can still be ended.
    try:
        reply = await connection.read(surql("load_transition_columns"), ids=[row_id], **NUL)
    except NO_ROWS_FAULT:
        raise
    except StoreError:
        return []  # not even its id
    defect = f"its values can't be read: {problem}"
    return [attrs.evolve(job_from(row, table), defect=defect) for row in reply[-1]]


async def _select(
    connection: Connection, table: JobTable, ids: Sequence[RecordID], more: str, lengths: Lengths
) -> list[Job]:
    bindings = {"ids": list(ids), **NUL, **lengths.bindings("")}
    reply = await connection.read(surql("load_jobs_made_fit", columns=MADE_FIT, more=more), **bindings)
    return [job_from(row, table) for row in reply[-1]]
