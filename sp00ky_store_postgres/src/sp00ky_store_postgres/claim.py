"""Claims: one statement for all backends, built once for each set of tables."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from operator import itemgetter

import attrs

from sp00ky_core.breaker import Breaker
from sp00ky_core.errors import RowRefused
from sp00ky_core.ids import table_of
from sp00ky_core.job import Job
from sp00ky_core.ports import PROBE_WINDOW, Claim, JobTable
from sp00ky_core.stores.selecting import BEGINNING
from sp00ky_store_postgres.breakers import breaker_of
from sp00ky_store_postgres.connections import Connections, Lane, Row
from sp00ky_store_postgres.leftout import LeftOut
from sp00ky_store_postgres.mapping import claimed_jobs
from sp00ky_store_postgres.statements import fill, literal, read_sql
from sp00ky_store_postgres.tables import Tables

__all__ = ["Claims"]

RUN_AT, KEY, PATH = 12, 1, 2
"""Where a claim's rows hold what they are ordered by: the statement returns them as they lie on disk."""

MAY_PROBE = -2
"""In a breaker's row, instead of a table's number: something is due that could be its probe."""

VAIN_SECONDS = 5.0
"""For how long something must have been due that no claim has got, until it is tried row by row."""
DETOURS = 10
"""How often a claim is tried again around rows that the database refuses to write."""
START_OVER_SECONDS = 0.25
"""For so long may a job that was committed late wait behind younger ones of a backlog."""


@attrs.define
class _Seen:
    """The breakers as a claim has found, or left, them, and whose probe it may take."""

    breakers: dict[str, Breaker] = attrs.field(factory=dict)
    to_probe: set[str] = attrs.field(factory=set)

    def take(self, rows: list[Row]) -> None:
        """Take out the rows that are breakers: they come last."""
        while rows and rows[-1][0] < 0:
            row = rows.pop()
            backend, breaker = breaker_of(row[PATH])
            self.breakers[backend] = breaker
            if row[0] == MAY_PROBE and breaker.wants_probe:
                self.to_probe.add(backend)


class Claims:
    """Takes due jobs, and says when there will be more.

    While there is a backlog, most claims start where the one before has ended: in front of that lie the index
    entries of jobs claimed since the last vacuum, and stepping over them would cost more each second. A few
    times a second a claim starts from the beginning, for what was committed late, or failed and is due again.
    """

    def __init__(self, connections: Connections, tables: Tables, location: str) -> None:
        self._connections = connections
        self._tables = tables
        self._built: dict[tuple[str, ...], str] = {}
        self._reached: dict[str, datetime] = {}  # by table: how far the claims have got
        self._begun_at = -math.inf  # when one has started from the beginning
        self._left_out = LeftOut(connections, tables, location)
        self._vain_since: float | None = None  # since when something has been due, and no claim got anything

    def start_over(self) -> None:
        """Jobs may have become due that are older than where the claims have got to."""
        self._reached.clear()

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """See ``Store.claim``."""
        if self._left_out.is_over():
            self._built.clear()
        try:
            claim = await self._claim_all(slots_by_backend, runner_id)
        except RowRefused:
            claim = await self._claim_around(slots_by_backend, runner_id)
        if claim:
            self._vain_since = None
        elif self._vain_since is not None and time.monotonic() - self._vain_since >= VAIN_SECONDS:
            await self._try_in_vain(slots_by_backend)
        if not claim and (refused := self._left_out.take_news()):
            raise refused
        return claim

    async def _try_in_vain(self, backends: Collection[str]) -> None:
        """A trigger that returns NULL keeps rows from being claimed without a word."""
        self._vain_since = None
        for table in self._tables.chosen(backends):
            if await self._left_out.find(table, BEGINNING, PROBE_WINDOW):
                self._built.clear()

    async def _claim_around(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """Leave out what is refused, until the rest can be claimed."""
        for _ in range(DETOURS):
            for backend, slots in slots_by_backend.items():
                table = self._tables.of(backend)
                since = self._reached.get(table.table, BEGINNING)
                if not await self._left_out.find(table, since, slots):
                    await self._left_out.find(table, BEGINNING, PROBE_WINDOW)
            self._built.clear()
            with suppress(RowRefused):
                return await self._claim_all(slots_by_backend, runner_id)
        return await self._claim_all(slots_by_backend, runner_id)

    async def _claim_all(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        seen = _Seen()
        jobs = await self._claim_due(slots_by_backend, runner_id, seen)
        for backend in sorted(seen.to_probe):
            try:
                jobs += await self._claim_probe_around(self._tables.of(backend), runner_id, seen)
            except RowRefused:
                if not jobs:  # those are this runner's already: the next claim without any tells
                    raise
        return Claim(jobs, breakers=seen.breakers)

    async def _claim_due(self, slots_by_backend: Mapping[str, int], runner_id: str, seen: _Seen) -> list[Job]:
        wanted = {
            self._tables.of(backend).table: slots for backend, slots in slots_by_backend.items() if slots > 0
        }
        if time.monotonic() - self._begun_at > START_OVER_SECONDS:
            self.start_over()
        ahead = not self._reached.keys().isdisjoint(wanted)
        jobs = await self._claim(wanted, runner_id, seen)
        if ahead and (left := self._left(wanted, jobs)):
            self.start_over()
            try:
                jobs = await self._claim(left, runner_id, seen) + jobs
            except RowRefused:
                if not jobs:  # those are this runner's already: the next claim meets that row again
                    raise
        return jobs

    async def _claim_probe_around(self, table: JobTable, runner_id: str, seen: _Seen) -> list[Job]:
        """Leave out what is refused, until another row can be the probe."""
        for _ in range(DETOURS):
            with suppress(RowRefused):
                return await self._claim_probe(table, runner_id, seen)
            if not await self._left_out.find(table, BEGINNING, PROBE_WINDOW):
                break
            self._built.clear()
        return await self._claim_probe(table, runner_id, seen)

    async def _claim_probe(self, table: JobTable, runner_id: str, seen: _Seen) -> list[Job]:
        statement, routes = self._probe_statement(table), list(table.routes)
        rows = await self._connections.fetch(Lane.CLAIM, statement, runner_id, routes)
        if not rows:  # nothing is due, or somebody else was faster
            return []
        seen.take(rows)
        return claimed_jobs(rows, (table,), runner_id)

    async def _claim(self, wanted: Mapping[str, int], runner_id: str, seen: _Seen) -> list[Job]:
        tables = tuple(table for table in self._tables.all if table.table in wanted)
        if not tables:
            return []
        if not self._reached:
            self._begun_at = time.monotonic()
        arguments = [
            argument
            for table in tables
            for argument in (wanted[table.table], self._reached.get(table.table, BEGINNING))
        ]
        rows = await self._connections.fetch(Lane.CLAIM, self._statement(tables), runner_id, *arguments)
        seen.take(rows)
        rows.sort(key=itemgetter(RUN_AT, KEY))
        for number, table in enumerate(tables):
            self._reach(table.table, wanted[table.table], [row for row in rows if row[0] == number])
        return claimed_jobs(rows, tables, runner_id)

    def _reach(self, table: str, slots: int, rows: Sequence[Row]) -> None:
        if len(rows) < slots:
            self._reached.pop(table, None)
        else:
            self._reached[table] = rows[-1][RUN_AT]

    def _left(self, wanted: Mapping[str, int], jobs: Sequence[Job]) -> dict[str, int]:
        counts = Counter(table_of(job.id) for job in jobs)
        return {table: slots - counts[table] for table, slots in wanted.items() if counts[table] < slots}

    async def next_due(self, backends: Collection[str], *, claimable: bool = False) -> float | None:
        """See ``Store.next_due``; ``claimable``: without jobs that a breaker keeps from every claim now."""
        tables = self._tables.chosen(backends)
        if not tables:
            return None
        shares = [
            fill(
                read_sql("next_due"),
                unpaused=fill(read_sql("unpaused"), **self._names(table))
                if claimable and table.breaker
                else "",
                table=self._tables.name(table),
                left_out=self._left_out.condition(table, "job"),
            )
            for table in tables
        ]
        rows = await self._connections.fetch(Lane.CLAIM, " UNION ALL ".join(shares))
        due = max(min(row[0] for row in rows), 0.0) if rows else None
        if due != 0:
            self._vain_since = None
        elif self._vain_since is None:
            self._vain_since = time.monotonic()
        return due

    def _statement(self, tables: tuple[JobTable, ...]) -> str:
        key = tuple(table.table for table in tables)
        statement = self._built.get(key)
        if statement is None:
            statement = self._built[key] = self._build(tables)
        return statement

    def _build(self, tables: tuple[JobTable, ...]) -> str:
        shares = [
            fill(
                read_sql("claim"),
                share=f"share_{number}",
                heeding=fill(read_sql("claim_heeding"), **self._names(table)) if table.breaker else "",
                left_out=self._left_out.condition(table, "due"),
                **self._names(table, number),
                limit=f"${2 * number + 2}",
                since=f"${2 * number + 3}",
            )
            for number, table in enumerate(tables)
        ]
        union = " UNION ALL ".join(f"TABLE share_{number}" for number in range(len(tables)))
        breakers = fill(
            read_sql("claim_breakers"),
            read=read_sql("breaker_read"),
            breaker=self._tables.breaker,
            backends=", ".join(literal(table.backend) for table in tables),
            may_probe=" OR ".join(self._may_probe(table) for table in tables if table.breaker) or "false",
        )
        return f"WITH {', '.join(shares)} {union} UNION ALL {breakers}"

    def _may_probe(self, table: JobTable) -> str:
        return fill(
            read_sql("claim_may_probe"),
            left_out=self._left_out.condition(table, "due"),
            **self._names(table),
        )

    def _probe_statement(self, table: JobTable) -> str:
        return fill(
            read_sql("probe"),
            read=read_sql("breaker_read"),
            window=str(PROBE_WINDOW),
            left_out=self._left_out.condition(table, "due"),
            probe_lease=f"{table.probe_lease!r}::float8",
            **self._names(table),
        )

    def _names(self, table: JobTable, number: int = 0) -> dict[str, str]:
        return {
            "returned": fill(
                read_sql("claim_returned"), number=str(number), longest=str(table.max_payload_bytes)
            ),
            "table": self._tables.name(table),
            "breaker": self._tables.breaker,
            "backend": literal(table.backend),
            "lease": _lease(table),
        }


def _lease(table: JobTable) -> str:
    """Seconds, as ``JobTable.attempt_timeout`` says them, in SQL."""
    if not table.timeout_overridable:
        return f"({table.timeout + table.lease_margin!r}::float8)"
    default = f"{table.timeout!r}::float8"
    own = f"CASE WHEN job.timeout IS NULL THEN {default} ELSE least(greatest(job.timeout, 1), 86400) END"
    return f"({own} + {table.lease_margin!r}::float8)"
