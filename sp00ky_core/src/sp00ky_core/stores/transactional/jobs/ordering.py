"""Find of each ordering key the job whose turn it is: a skip scan of an index, in an endless round."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import attrs

from sp00ky_core.job import JobStatus
from sp00ky_core.job_options import is_plain_text
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_core.stores.rows import instant_of
from sp00ky_core.stores.transactional.connection.session import Is, Row, Session, Where
from sp00ky_core.stores.transactional.observe.filters import ORDERED, PROCESSING, leased
from sp00ky_core.stores.transactional.rows import is_nameable
from sp00ky_core.stores.transactional.schema.definition import LIVE_STATUSES, job_table

__all__ = ["Rounds"]

MOST_KEYS = 500
"""Keys that one claim looks at."""

BATCH = 16
"""Rows that are read at once, at most: twice as many as the keys that the latest rows were of."""

WITH_KEY = Is("ordering_key", "!=", None)

HEAD = ("id", "status", "priority", "run_at", "ordering_key", "path", "retries", "max_retries")
"""Columns that decide whether a job is taken."""


@attrs.frozen
class Round:
    """A round through a table's keys in their order; after the last comes the first again.

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
        for name, each in list(self._rounds.items()):
            if table is None or name == table.table:
                self._rounds[name] = Round(start=each.at, at=each.at)

    def is_cut_off(self, table: JobTable) -> bool:
        """Whether there are keys that the latest claims haven't looked at."""
        return table.table in self._rounds

    async def ready(
        self,
        session: Session,
        table: JobTable,
        now: datetime,
        left_out: Collection[str],
        *,
        peek: bool = False,
    ) -> list[Row]:
        """List rows whose turn it is, and that are due.

        Args:
            session: A transaction.
            table: The table.
            now: The time.
            left_out: Ids of rows that aren't to be claimed; they hold back those behind them.
            peek: One is enough, and the next call is to find it again.
        """
        ready: list[Row] = []
        held: dict[str, datetime | None] | None = None
        look = _Look(session, table, self._rounds.get(table.table, Round()))
        while heads := await look.ahead():
            held = await _held(session, table, now) if held is None else held
            turns = ((row, _turn(row, held)) for row in heads if row["id"] not in left_out)
            ready += [row for row, turn in turns if turn is not None and turn <= now]
            if peek and ready:
                return ready
        self._note(table.table, look.round, in_use=look.seen > 0)
        return ready

    def _note(self, table: str, at: Round, *, in_use: bool) -> None:
        if at.is_whole:
            self._rounds.pop(table, None)
        else:
            self._rounds[table] = at
        self.in_use = self.in_use | {table} if in_use else self.in_use - {table}


async def next_head(session: Session, table: JobTable, now: datetime) -> datetime | None:
    """Return when the next job whose turn it is can be claimed, of the first keys; None: no time says so."""
    found: list[datetime] = []
    held: dict[str, datetime | None] | None = None
    look = _Look(session, table, Round())
    while heads := await look.ahead():
        held = await _held(session, table, now) if held is None else held
        found += [turn for row in heads if (turn := _turn(row, held)) is not None]
    return min(found, default=None)


async def is_taken(session: Session, table: JobTable, ordering_key: str | None) -> bool:
    """Whether a job of the key is processing."""
    if ordering_key is None or not is_nameable(ordering_key):
        return False
    return (
        await session.count(job_table(table.table), [PROCESSING, Is("ordering_key", "=", ordering_key)]) > 0
    )


async def has_keys(session: Session, table: JobTable) -> bool:
    """Whether jobs with a key wait, or are processing."""
    return bool(await _Look(session, table, Round(), rows=1).ahead())


class _Look:
    """Looks at the first rows of keys, from where a round is on.

    Attributes:
        round: How far it has come.
        seen: Keys that it has looked at.
    """

    def __init__(self, session: Session, table: JobTable, round_: Round, rows: int = 2) -> None:
        self._session = session
        self._table = table
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
        rows = await self._session.select(
            job_table(self._table.table),
            self.round.ahead(),
            order=("ordering_key", "ordering_at", "id"),
            limit=self._rows,
            columns=HEAD,
        )
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


async def _held(session: Session, table: JobTable, now: datetime) -> dict[str, datetime | None]:
    """Return the keys of which a request may be under way: until when, None: until that job is settled."""
    stored = job_table(table.table)
    rows = await session.select(
        stored,
        [*leased(table, now), WITH_KEY],
        order=("lease_until",),
        columns=["ordering_key", "lease_until"],
    )
    held: dict[str, datetime | None] = {row["ordering_key"]: row["lease_until"] for row in rows}
    busy = await session.select(stored, [PROCESSING, WITH_KEY], columns=["ordering_key"])
    return held | {row["ordering_key"]: None for row in busy}


def _turn(row: Row, held: Mapping[str, datetime | None]) -> datetime | None:
    """Return from when on the first job of a key may be claimed; None: no time says so."""
    until = held.get(row["ordering_key"], BEGINNING)
    if until is None or row["status"] != JobStatus.PENDING:
        return None
    return max(instant_of(row["run_at"]) or BEGINNING, until)
