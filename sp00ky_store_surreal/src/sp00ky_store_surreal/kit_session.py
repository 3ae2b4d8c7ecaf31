"""Answer the kit's primitives on the tables of the store's own: reads at once, writes as one transaction.

No transaction of several messages can be had where the database is embedded. So a session reads, decides, and
sends what it has decided in one message, which writes nothing where a row isn't as it was read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Unpack, cast

import attrs
from surrealdb import RecordID

from sp00ky_core.errors import RowRefused
from sp00ky_core.job.job import Job
from sp00ky_core.stores.ids import new_key
from sp00ky_store_kit import Both, Is, ReadOptions, Row, Session, Table, Where, in_order, met
from sp00ky_store_kit.schema import BREAKERS
from sp00ky_store_surreal.connection.conflict_retries import Connection, Lane, Way
from sp00ky_store_surreal.errors import unwritable
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.schema.own_tables import BOOLEANS, OBJECTS
from sp00ky_store_surreal.surql.loader import quoted, surql
from sp00ky_store_surreal.user_query import query

WHOLE = "$this"
"""Stands for the whole row as text, among the columns that are read."""

MICROSECOND = timedelta(microseconds=1)

Key = tuple[Any, ...]
"""A table's name and the values of a row's key. (An hour of rollups that 0.2 wrote has another id.)"""


class Changed(Exception):
    """A row isn't as it was read: nothing was written, and it is to be decided anew."""


@attrs.frozen(kw_only=True)
class Held:
    """A row that the session is about to write.

    Attributes:
        table: Its table.
        record: Its id.
        seen: The whole row as text, as it was read; None: there was none.
        before: Its columns then.
        row: Its columns now; None: there is none.
    """

    table: Table
    record: RecordID
    seen: str | None = None
    before: Row | None = None
    row: Row | None = None


class SurrealSession(Session):
    """One try of a transaction; instants have the microseconds that Python's have."""

    def __init__(self, connection: Connection, lane: Lane) -> None:
        self._connection = connection
        self._lane = lane
        self._now: datetime | None = None
        self._held: dict[Key, Held] = {}
        self.jobs: dict[tuple[str, str], tuple[Row, Job]] = {}
        """Rows of jobs that are to be inserted, each with its job, by what ``enqueue`` knows them by."""

    async def now(self) -> datetime:
        """See ``Session.now``."""
        if self._now is None:
            self._now = (await self._connection.read("RETURN time::now();"))[-1]
        return self._now

    async def user(self) -> str | None:
        """See ``Session.user``."""
        return cast("str | None", (await self._connection.read(surql("session_user")))[-1])

    async def select(
        self, table: Table, where: Sequence[Where] = (), **options: Unpack[ReadOptions]
    ) -> list[Row]:
        """See ``Session.select``; a row that is to be written is guarded as it is now.

        Which of those come first is for the index to say: to sort them, all would be read.
        """
        order, limit, columns = options.get("order", ()), options.get("limit"), options.get("columns")
        lock = options.get("lock", False)
        held = [held for held in self._held.values() if held.table is table]
        names: Iterable[str] = table.kinds if held or columns is None else {*columns, *table.key}
        most = limit and limit + len(held)
        if lock:
            order, names = (), (*table.kinds, WHOLE)
        rows = await self._read(table, where, order=order, limit=most, names=names)
        for record, row in rows if lock else ():
            self._hold(table, record, row)
        others = [row for _, row in rows if key_of(table, row) not in self._held]
        own = [held.row for held in self._held.values() if held.table is table and held.row is not None]
        own = [row for row in own if all(met(row, condition) for condition in where)]
        return in_order([*others, *own], order, limit) if own else others[:limit]

    async def count(self, table: Table, where: Sequence[Where] = ()) -> int:
        """See ``Session.count``."""
        return len(await self.select(table, where, columns=table.key))

    async def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """See ``Session.insert``; that another has a row's key turns out at the end."""
        for row in rows:
            key = key_of(table, row)
            known = self._held.get(key, Held(table=table, record=record_of(table, row)))
            if known.row is not None:
                raise RowRefused(store=self._connection.target.location, problem=f"{key} is there already")
            whole = {**dict.fromkeys(table.kinds), **table.defaults(), **row}
            self._held[key] = attrs.evolve(known, row=whole)

    async def insert_once(self, table: Table, row: Row) -> bool:
        """See ``Session.insert_once``; one that another makes meanwhile is seen when it is done again."""
        if key_of(table, row) in await self._there(table, [row]):
            return False
        await self.insert(table, [row])
        return True

    async def update(self, table: Table, where: Sequence[Where], values: Mapping[str, Any]) -> int:
        """See ``Session.update``."""
        rows = await self.select(table, where, lock=True)
        for row in rows:
            self._replace(table, row, {**row, **values})
        return len(rows)

    async def delete(self, table: Table, where: Sequence[Where]) -> int:
        """See ``Session.delete``."""
        return len(await self.take(table, await self.select(table, where, lock=True)))

    async def put(self, table: Table, rows: Sequence[Row]) -> None:
        """See ``Session.put``."""
        there = await self._there(table, rows)
        for row in rows:
            if key_of(table, row) in there:
                self._replace(table, row, row)
        await self.insert(table, [row for row in rows if key_of(table, row) not in there])

    async def take(self, table: Table, rows: Sequence[Row]) -> list[Row]:
        """See ``Session.take``."""
        there = await self._there(table, rows)
        taken = [row for row in rows if key_of(table, row) in there]
        for row in taken:
            self._replace(table, row, None)
        return taken

    async def _there(self, table: Table, rows: Sequence[Row]) -> set[Key]:
        """Return the keys of those rows that are there, which are to be written."""
        unknown = [row for row in rows if key_of(table, row) not in self._held]
        if unknown:
            records = [record_of(table, row) for row in unknown]
            for record, row in await self._select("$records", (*table.kinds, WHOLE), records=records):
                self._hold(table, record, row)
        return {key for key, held in self._held.items() if held.row is not None}

    def _hold(self, table: Table, record: RecordID, row: Row) -> None:
        seen = row.pop(WHOLE)
        held = Held(table=table, record=record, seen=seen, before=row, row=row)
        self._held.setdefault(key_of(table, row), held)

    def _replace(self, table: Table, old: Row, new: Row | None) -> None:
        held = self._held[key_of(table, old)]
        whole = None if new is None else {**(held.row or {}), **new}
        self._held[key_of(table, old)] = attrs.evolve(held, row=whole)

    async def query(self, text: str, limit: int) -> list[Any]:
        """See ``Session.query``."""
        return await query(self._connection, text, limit)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """See ``Session.savepoint``; its end tries whether jobs that were inserted in the block can be."""
        held, jobs = self._held.copy(), self.jobs.copy()
        try:
            yield
            if len(self.jobs) > len(jobs):
                await self._send(tried=True)
        except BaseException:
            self._held, self.jobs = held, jobs
            raise

    async def commit(self) -> None:
        """Write what was decided. Raises ``Changed`` where it was decided on what isn't so any more."""
        if self.jobs or self._changed:
            await self._send()

    @property
    def _changed(self) -> list[Held]:
        return [held for held in self._held.values() if held.row != held.before]

    async def _send(self, *, tried: bool = False) -> None:
        """Send all writes as one transaction; ``tried``: take them back."""
        old = [held for held in self._changed if held.seen is not None]
        new = [held for held in self._changed if held.seen is None]
        written = [held for held in (*new, *old) if held.row is not None]
        deleted = [held.record for held in old if held.row is None]
        marked = [held.record for held in written if held.table.remembers]
        inserts, rows = inserts_of(
            [*({"id": held.record, **_values(held)} for held in new), *(row for row, _ in self.jobs.values())]
        )
        mark = new_key()
        bindings = rows | {
            "held": [held.record for held in old],
            "seen": [held.seen for held in old],
            "absent": [held.record for held in new],
            "updated": [[held.record, _values(held)] for held in old if held.row is not None],
            "deleted": deleted,
            "marked": marked,
            "kept": [held.record for held in written[:1]],
            "mark": mark,
            "tried": tried,
        }
        # Sent again after a lost reply, an insert would be made twice, and a breaker's change seem another's.
        once = not marked and (bool(new) or any(held.table is BREAKERS for held in old))
        lane = Lane.DELETE if deleted else self._lane
        way = Way(lane=lane, alone=self._lane is not Lane.BEAT, resend=not once)
        statement = surql("session_commit", inserts=inserts)
        try:
            outcome = (await self._connection.write(statement, way, **bindings))[-1]
        except RowRefused as error:
            if tried and mark in error.problem:
                return
            raise
        if outcome == "changed":
            raise Changed
        if outcome == "unkept":
            raise unwritable(self._connection.target.location, written[0].table.name)

    async def _read(
        self,
        table: Table,
        where: Sequence[Where],
        *,
        order: Sequence[str],
        limit: int | None,
        names: Iterable[str],
    ) -> list[tuple[RecordID, Row]]:
        """Select rows; where the key is named, that record alone is looked at."""
        equal = [condition for condition in where if isinstance(condition, Is) and condition.operator == "="]
        key = {condition.column: condition.value for condition in equal}
        bindings: dict[str, Any] = {}
        source = quoted(table.name)
        if key.keys() >= {*table.key}:
            source, bindings["records"] = "$records", [record_of(table, key)]
        conditions = [_condition(table, condition, bindings) for condition in where]
        source += f" WHERE {' AND '.join(conditions)}" if conditions else ""
        by = (f"`{name[1:]}` DESC" if name.startswith("-") else f"`{name}`" for name in order)
        source += f" ORDER BY {', '.join(by)}" if order else ""
        source += "" if limit is None else f" LIMIT {limit:d}"
        return await self._select(source, names, **bindings)

    async def _select(self, source: str, names: Iterable[str], **bindings: Any) -> list[tuple[RecordID, Row]]:
        columns = list(names)
        statement = surql("session_select", columns=_listed(["id", *columns]), source=source)
        rows = (await self._connection.read(statement, **bindings))[-1]
        return [
            (record, {name: _decoded(name, value) for name, value in zip(columns, values, strict=True)})
            for record, *values in rows
        ]


def _listed(names: Iterable[str]) -> str:
    return ", ".join("<string>$this" if name == WHOLE else f"`{name}`" for name in names)


def inserts_of(rows: Iterable[Row], *, kept: bool = False) -> tuple[str, dict[str, Any]]:
    """Write the statements that insert rows of any tables, and what they bind.

    Args:
        rows: As they are stored.
        kept: A row that is there already stays as it is; else it is refused.
    """
    by_table: dict[str, list[Row]] = {}
    for row in rows:
        by_table.setdefault(row["id"].table_name, []).append(row)
    ignore = "IGNORE " if kept else ""
    inserts = (
        surql("session_insert", table=quoted(table), n=str(n), ignore=ignore)
        for n, table in enumerate(by_table)
    )
    return "".join(inserts), {f"new{n}": some for n, some in enumerate(by_table.values())}


def key_of(table: Table, row: Row) -> Key:
    """Return what a session knows a row by."""
    return table.name, *(_encoded(name, row[name]) for name in table.key)


def record_of(table: Table, row: Row) -> RecordID:
    """Return the id that a row with this key gets."""
    _, *values = key_of(table, row)
    if table.row_id is not None:
        return RecordID(table.name, table.row_id(*values))
    if len(values) > 1:
        text = repr([str(value) for value in values])
        return RecordID(table.name, hashlib.sha256(text.encode()).hexdigest()[:32])
    return RecordID(table.name, values[0])


def _decoded(column: str, value: Any) -> Any:
    if isinstance(value, RecordID):  # of a job as its id has it
        is_own = value.table_name.startswith("sp00ky_")
        return str(value.id) if is_own else id_text(value).partition(":")[2]
    return json.dumps(value) if column in OBJECTS and value is not None else value


def stored_row(table: Table, row: Row) -> Row:
    """Return a new row of the store's own tables, as it is stored."""
    whole = {**dict.fromkeys(table.kinds), **table.defaults(), **row}
    values = {name: _encoded(name, value) for name, value in whole.items() if name != "id"}
    return {"id": record_of(table, row), **values}


def _values(held: Held) -> Row:
    """Return the columns that have changed, as they are stored."""
    before = held.before or {}
    names = (name for name, value in (held.row or {}).items() if value != before.get(name))
    return {name: _encoded(name, (held.row or {})[name]) for name in names if name != "id"}


def _encoded(column: str, value: Any) -> Any:
    if value is None:
        return None
    if column in BOOLEANS:
        return bool(value)
    if column in OBJECTS:
        return json.loads(value)
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _condition(table: Table, where: Where, bindings: dict[str, Any]) -> str:
    """Write a condition on a column that every row has."""
    if not isinstance(where, Is):
        texts = [_condition(table, condition, bindings) for condition in where.conditions]
        return f"({(' AND ' if isinstance(where, Both) else ' OR ').join(texts)})"
    name, operator, value = where.column, where.operator, where.value
    if operator == "=" and isinstance(value, datetime):  # the row may have nanoseconds
        later = Both((Is(name, ">=", value), Is(name, "<", value + MICROSECOND)))
        return _condition(table, later, bindings)
    several = operator in {"in", "not in"}
    given = [*value] if several else [value]
    values = [RecordID(table.name, one) if name == "id" else _encoded(name, one) for one in given]
    bound: Any = values if several else values[0]
    place = f"p{len(bindings)}"
    bindings[place] = bound
    compared = f"`{name}` {operator.upper()} ${place}"
    if value is None or operator not in {"!=", "not in", "<", "<="}:
        return compared
    return f"(`{name}` > NONE AND {compared})"  # here NONE is less than any value, and differs from each
