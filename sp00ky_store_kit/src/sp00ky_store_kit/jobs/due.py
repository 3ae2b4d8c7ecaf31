"""Select jobs that are due, and of each ordering key the one whose turn it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Unpack

import attrs

from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.options import is_plain_text
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.decisions import BEGINNING
from sp00ky_core.stores.rows import instant_of, priority_of
from sp00ky_store_kit.connection.session import Is, ReadOptions, Row, Session, Where
from sp00ky_store_kit.rows import (
    ORDERED,
    PROCESSING,
    UNORDERED,
    JobRows,
    is_nameable,
    rows_of,
)
from sp00ky_store_kit.schema import LIVE_STATUSES

__all__ = ["Rounds", "next_due"]

MOST_KEYS = 500
"""Keys that one claim looks at."""

BATCH = 16
"""Rows that are read at once, at most: twice as many as the keys that the latest rows were of."""

WITH_KEY = Is("ordering_key", "!=", None)

HEAD = ("id", "status", "priority", "run_at", "ordering_key", "path", "retries", "max_retries")
"""Columns that decide whether a job is taken."""


@attrs.frozen
class Round:
    """Goes once through a table's keys in their order; after the last comes the first again.

    Attributes:
        start: It began after this key; None: before all.
        at: The key that was looked at last.
        is_past_end: It has come to the last key, and begun again with the first.
        is_whole: Every key has been looked at.
    """

    start: str | None = None
    at: str | None = None
    is_past_end: bool = False
    is_whole: bool = False

    def ahead(self) -> list[Where]:
        """Return the conditions of rows that are still to be looked at."""
        where: list[Where] = list(ORDERED)
        if self.at is not None:
            where.append(Is("ordering_key", ">", self.at))
        if self.is_past_end and self.start is not None:
            where.append(Is("ordering_key", "<=", self.start))
        return where

    def after_last(self) -> Round:
        """Return the round when no row is ahead."""
        if self.is_past_end or self.start is None:
            return Round(is_whole=True)
        return Round(start=self.start, is_past_end=True)


class Rounds:
    """Remembers how far each table's keys have been looked through.

    A claim that is cut off goes on with the next one. What begins after a signal looks at every key.

    Attributes:
        in_use: Tables that had jobs with a key when they were last looked at.
    """

    def __init__(self) -> None:
        self.in_use: frozenset[str] = frozenset()
        self._rounds: dict[str, Round] = {}

    def begin_again(self, table: JobTable | None = None) -> None:
        """Begin a round where a table's is, or each one's: what was looked at may be claimed now."""
        for name, round_ in list(self._rounds.items()):
            if table is None or name == table.table:
                self._rounds[name] = Round(start=round_.at, at=round_.at)

    def is_cut_off(self, table: JobTable) -> bool:
        """Whether there are keys that the latest claims haven't looked at."""
        return table.table in self._rounds

    async def ready(self, stored: JobRows, left_out: Collection[str], *, peek: bool = False) -> list[Row]:
        """List rows whose turn it is, and that are due.

        Args:
            stored: The table's rows.
            left_out: Ids of rows that aren't to be claimed; they hold back those behind them.
            peek: One is enough, and the next call is to find it again.
        """
        ready: list[Row] = []
        busy_keys: dict[str, datetime | None] | None = None
        table = stored.table.table
        look = _Look(stored, self._rounds.get(table, Round()))
        while heads := await look.ahead():
            busy_keys = await _busy_keys(stored) if busy_keys is None else busy_keys
            turns = ((row, _turn(row, busy_keys)) for row in heads if row["id"] not in left_out)
            ready += [row for row, turn in turns if turn is not None and turn <= stored.now]
            if peek and ready:
                return ready
        self._note(table, look.round, in_use=look.seen > 0)
        return ready

    def _note(self, table: str, at: Round, *, in_use: bool) -> None:
        if at.is_whole:
            self._rounds.pop(table, None)
        else:
            self._rounds[table] = at
        self.in_use = self.in_use | {table} if in_use else self.in_use - {table}


async def next_head(stored: JobRows) -> datetime | None:
    """Return when the next job whose turn it is can be claimed, of the first keys; None: no time says so."""
    turns: list[datetime] = []
    busy_keys: dict[str, datetime | None] | None = None
    look = _Look(stored, Round())
    while heads := await look.ahead():
        busy_keys = await _busy_keys(stored) if busy_keys is None else busy_keys
        turns += [turn for row in heads if (turn := _turn(row, busy_keys)) is not None]
    return min(turns, default=None)


async def is_taken(stored: JobRows, ordering_key: str | None) -> bool:
    """Whether a job of the key is processing."""
    if ordering_key is None or not is_nameable(ordering_key):
        return False
    return await stored.count(PROCESSING, Is("ordering_key", "=", ordering_key)) > 0


async def has_keys(stored: JobRows) -> bool:
    """Whether jobs with a key wait, or are processing."""
    return bool(await _Look(stored, Round(), rows=1).ahead())


class _Look:
    """Looks at the first rows of keys, from where a round is on.

    Attributes:
        round: How far it has come.
        seen: Keys that it has looked at.
    """

    def __init__(self, stored: JobRows, round_: Round, rows: int = 2) -> None:
        self._stored = stored
        self._rows = min(rows, BATCH)
        self.round = round_
        self.seen = 0

    async def ahead(self) -> list[Row]:
        """Return the first rows of the next keys; none where all, or enough, have been looked at."""
        while self.seen < MOST_KEYS and not self.round.is_whole:
            heads, self.round = await self._read()
            self.seen += len(heads)
            self._rows = min(BATCH, 2 * len(heads) or 1)
            if heads:
                return heads
        return []

    async def _read(self) -> tuple[list[Row], Round]:
        order = ("ordering_key", "ordering_at", "id")
        rows = await self._stored.select(self.round.ahead(), order=order, limit=self._rows, columns=HEAD)
        if not rows:
            return [], self.round.after_last()
        heads: dict[str, Row] = {}
        for row in rows:
            if row["status"] in LIVE_STATUSES:  # a client may have written another
                heads.setdefault(row["ordering_key"], row)
        last = rows[-1]["ordering_key"]
        if not is_plain_text(last):  # a client's: it can't be asked for what comes after it
            return list(heads.values()), self.round.after_last()
        return list(heads.values()), attrs.evolve(self.round, at=last)


async def _busy_keys(stored: JobRows) -> dict[str, datetime | None]:
    """Return the keys of which a request may be under way: until when, None: until that job is settled."""
    leased, columns = [*stored.leased(), WITH_KEY], ("ordering_key", "lease_until")
    rows = await stored.select(leased, order=("lease_until",), columns=columns)
    busy_keys: dict[str, datetime | None] = {row["ordering_key"]: row["lease_until"] for row in rows}
    busy = await stored.select([PROCESSING, WITH_KEY], columns=["ordering_key"])
    return busy_keys | {row["ordering_key"]: None for row in busy}


def _turn(row: Row, busy_keys: Mapping[str, datetime | None]) -> datetime | None:
    """Return from when on the first job of a key may be claimed; None: no time says so."""
    until = busy_keys.get(row["ordering_key"], BEGINNING)
    if until is None or row["status"] != JobStatus.PENDING:
        return None
    return max(instant_of(row["run_at"]) or BEGINNING, until)


MOST_PRIORITIES = 8
"""So many values have a range of their own; a client may have written any number."""


async def select_due(
    stored: JobRows,
    where: Sequence[Where],
    most: int,
    *,
    latest: bool = False,
    **options: Unpack[ReadOptions],
) -> list[Row]:
    """Select pending rows without a key that are due, the first to be claimed first.

    ``latest``: those that became due last instead, so many of each priority.
    """
    rows: list[Row] = []
    options["order"] = ("-run_at", "-id") if latest else ("run_at", "id")
    for ranges in await priority_ranges(stored):
        left, due_rows = most if latest else most - len(rows), list[Row]()
        for priority in ranges if left > 0 else ():
            due_rows += await _select_range(stored, [*UNORDERED, *where, priority], left, **options)
        rows += (sorted(due_rows, key=rank) if len(ranges) > 1 else due_rows)[:left]
    return rows


async def _select_range(
    stored: JobRows, where: Sequence[Where], most: int, **options: Unpack[ReadOptions]
) -> list[Row]:
    rows: list[Row] = []
    for condition in stored.due():  # two ranges of one index
        if len(rows) < most:
            options["limit"] = most - len(rows)
            rows += await stored.select([*where, condition], **options)
    return rows


def rank(row: Row) -> tuple[int, datetime, str]:
    """Return the key that sorts rows in the order in which they are claimed."""
    return -priority_of(row["priority"]), instant_of(row["run_at"]) or BEGINNING, row["id"]


def unleased(stored: JobRows) -> list[Where]:
    """Return the conditions of pending rows that count for no request, where those in flight are counted."""
    return [] if stored.table.max_in_flight is None else [stored.overdue()]


async def priority_ranges(stored: JobRows) -> list[list[Is]]:
    """List the priorities of pending rows without a key, highest first, each as its ranges of the index.

    Values that are no priority, and a missing one, count as 0.
    """
    ranges: dict[int, list[Is]] = {}
    for present in await _present(stored):
        priority = priority_of(present.value) if present.operator == "=" else 0
        ranges.setdefault(priority, []).append(present)
    return [ranges[priority] for priority in sorted(ranges, reverse=True)]


async def _present(stored: JobRows) -> list[Is]:
    """Look up which values there are, from both ends of the index, as nearly always there is but one."""
    lowest, highest = [await _first(stored, (), end) for end in ("priority", "-priority")]
    if not lowest or not highest:
        return []
    present = [Is("priority", "=", highest[0])]
    while (value := present[-1].value) != lowest[0] and value is not None:
        lower = Is("priority", "<", value)
        if len(present) >= MOST_PRIORITIES:
            return [*present, lower, Is("priority", "=", None)]
        below = await _first(stored, [lower], "-priority")
        present.append(Is("priority", "=", below[0] if below else None))
    return present


async def _first(stored: JobRows, where: Sequence[Is], order: str) -> list[Any]:
    """Return the first priority in an order, which may be None; an empty list: there is no row."""
    rows = await stored.select([*UNORDERED, *where], order=(order,), limit=1, columns=["priority"])
    return [row["priority"] for row in rows]


async def next_due(session: Session, tables: Collection[JobTable]) -> datetime | None:
    """Return when the next pending job is due, now where it says nothing; None: there is none."""
    rows = await rows_of(session, tables)
    times = [await next_without_key(rows), *[await next_head(stored) for stored in rows]]
    return min((at for at in times if at is not None), default=None)


async def next_without_key(rows: Sequence[JobRows]) -> datetime | None:
    """Return the same of jobs without a key."""
    times: list[datetime] = []
    for stored in rows:
        where = [*UNORDERED, *unleased(stored)]
        for ranges in await priority_ranges(stored):
            for priority in ranges:
                times += await _earliest(stored, [*where, priority])
        if stored.table.max_in_flight is not None:
            times += await _ends_of_leases(stored)
    return min(times, default=None)


async def _ends_of_leases(stored: JobRows) -> list[datetime]:
    """Return from when on the jobs that ``unleased`` leaves out may be claimed."""
    columns = ("status", "ordering_key", "run_at", "lease_until")
    # These conditions alone, so that their own index answers.
    rows = await stored.select(stored.leased(), order=("lease_until",), columns=columns)
    return [
        max(row["lease_until"], row["run_at"] or BEGINNING)
        for row in rows
        if row["status"] == JobStatus.PENDING and row["ordering_key"] is None
    ]


async def _earliest(stored: JobRows, where: Sequence[Where]) -> list[datetime]:
    for condition in (Is("run_at", "=", None), Is("run_at", "!=", None)):  # two ranges of the index
        order, columns = ("run_at", "id"), ("run_at",)
        rows = await stored.select([*where, condition], order=order, limit=1, columns=columns)
        if rows:
            return [rows[0]["run_at"] or stored.now]
    return []
