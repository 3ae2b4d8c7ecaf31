"""Claim due jobs of all backends in one statement, built once for each set of tables."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from operator import itemgetter
from typing import Any, TypeVar

import attrs

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import RowRefused
from sp00ky_core.gate.breaker import Breaker, BreakerState, risk_turn
from sp00ky_core.job.job import Job
from sp00ky_core.ports import PROBE_WINDOW, Claim, JobTable
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_store_postgres.connection.executor import Executor, Row
from sp00ky_store_postgres.connection.external import Fetch
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.errors import constraint_of
from sp00ky_store_postgres.fleet.breaker import breaker_of
from sp00ky_store_postgres.fleet.limit import LimitedClaims
from sp00ky_store_postgres.jobs.claim_cursor import ClaimCursors, More
from sp00ky_store_postgres.jobs.claim_refusals import ClaimRefusals
from sp00ky_store_postgres.rows import KEY, PATH, PRIORITY, RUN_AT, claimed_jobs
from sp00ky_store_postgres.schema.definition import object_name
from sp00ky_store_postgres.sql.claim_statements import ClaimStatements

logger: logging.Logger = logging.getLogger(__name__)

T = TypeVar("T")

MAY_PROBE, PAUSED, KEYED = -2, -3, -4
"""Instead of a table's number: an open breaker whose probe is due (-1: any other), a pause, ordering keys."""

UNCLAIMED_SECONDS = 5.0
"""For how long something must have been due that no claim has got, until that is logged."""
DETOURS = 10
"""How often a claim is tried again around rows that the database refuses to write."""
RACES = 10
"""How often a claim is tried again that another one was faster than, at a job of the same ordering key."""
START_OVER_SECONDS = 0.25
"""For so long may a job that was committed late wait behind younger ones of a backlog."""


@attrs.define
class _Seen:
    """The findings of a claim beside jobs, by backend, and whose probe it may take."""

    breakers: dict[str, Breaker] = attrs.field(factory=dict)
    to_probe: set[str] = attrs.field(factory=set)
    paused: dict[str, float] = attrs.field(factory=dict)
    retry_in: dict[str, float] = attrs.field(factory=dict)
    keys: dict[str, dict[str, Any]] = attrs.field(factory=dict)

    def take(self, rows: list[Row]) -> None:
        """Take out the rows that are no jobs: they come last."""
        self.keys.clear()
        while rows and rows[-1][0] < 0:
            number, text = itemgetter(0, PATH)(rows.pop())
            if number == KEYED:
                read = decode(text)
                self.keys[read["backend"]] = read
            elif number == PAUSED:
                read = decode(text)
                seconds = read["seconds"]
                self.paused[read["backend"]] = math.inf if seconds is None else float(seconds)
            else:
                backend, breaker = breaker_of(text)
                self.breakers[backend] = breaker
                if number == MAY_PROBE and breaker.wants_probe:
                    self.to_probe.add(backend)


class Claims:
    """Claims due jobs, and says when there will be more.

    A few times a second a claim starts from the beginning, for what was committed late, or failed and is due
    again.
    """

    def __init__(self, executor: Executor, quarantine: Quarantine, claimed: Callable[[], None]) -> None:
        self._executor = executor
        self._claimed = claimed
        self._tables = executor.tables
        self._built: dict[tuple[object, ...], str] = {}
        self._cursors = ClaimCursors()
        self._begun_at = -math.inf  # when one has started from the beginning
        self._refusals = ClaimRefusals(executor, quarantine)
        self._statements = ClaimStatements(self._tables, self._refusals.condition)
        self._limited = LimitedClaims(executor)
        self._due_since: float | None = None  # since when something has been due, and no claim got anything

    def start_over(self) -> None:
        """Start the next claims at the oldest job: one may be due that is older than the last claimed."""
        self._cursors.start_over()

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """See ``Store.claim``."""
        if self._refusals.refresh():
            self._built.clear()
        fetch = partial(self._executor.fetch, Workload.CLAIM)
        free = {name: n for name, n in slots_by_backend.items() if not self._tables.of(name).has_limits}
        try:
            claim = await self._claim_all(free, runner_id, fetch)
        except RowRefused:
            self.start_over()  # of what it may have got as far as, nothing is written
            claim = await self._surely(free, lambda: self._claim_all(free, runner_id, fetch))
        for backend, slots in slots_by_backend.items():
            if backend not in free:
                claim = await self._claim_limited(backend, slots, runner_id, claim)
        self._report_unclaimed(claim)
        if not claim and (refused := self._refusals.take_unreported()):
            raise refused
        if claim:
            self._claimed()
        return claim

    async def _claim_limited(self, backend: str, slots: int, runner_id: str, others: Claim) -> Claim:
        """Claim for a backend with limits; return it with what was claimed for the others."""

        async def claim(granted: int, fetch: Fetch) -> Claim:
            return await self._claim_all({backend: granted}, runner_id, fetch)

        table = self._tables.of(backend)
        try:
            own = await self._surely({backend: slots}, lambda: self._limited.claim(table, slots, claim))
        except RowRefused:
            if not others:  # those are this runner's already: the next claim without any raises it
                raise
            return others
        return Claim(
            [*others, *own],
            breakers={**others.breakers, **own.breakers},
            paused={**others.paused, **own.paused},
            retry_in={**others.retry_in, **own.retry_in},
        )

    async def _surely(self, slots: Mapping[str, int], claim: Callable[[], Awaitable[T]]) -> T:
        """Claim, again where another claim was faster, and around what the database refuses.

        Args:
            slots: among how many rows of each backend refused ones are looked for.
            claim: claims.
        """
        for left in reversed(range(RACES)):
            try:
                return await claim()
            except RowRefused as error:
                self.start_over()  # of what it may have got as far as, nothing is written
                if not self._is_race(error):
                    break
                if not left:
                    raise
        for _ in range(DETOURS):
            if not await self._leave_refused_out(slots):
                break
            with suppress(RowRefused):
                return await claim()
        return await claim()

    def _is_race(self, error: RowRefused) -> bool:
        """Tell whether a job of the same ordering key is being processed by now, which an index guards."""
        guards = {object_name(table.table, "ordering") for table in self._tables.all}
        return constraint_of(error) in guards

    def _report_unclaimed(self, claim: Claim) -> None:
        """Log once that jobs are due which no claim gets."""
        is_paused = any(each.state is not BreakerState.CLOSED for each in claim.breakers.values())
        if claim or is_paused or claim.paused or claim.retry_in:
            self._due_since = None
        elif self._due_since is not None and time.monotonic() - self._due_since >= UNCLAIMED_SECONDS:
            self._due_since = math.inf
            logger.warning(
                "jobs have been due for %.0f s and no claim gets one: transactions lock them, or a trigger "
                "on UPDATE returns NULL for them",
                UNCLAIMED_SECONDS,
            )

    async def _leave_refused_out(self, slots_by_backend: Mapping[str, int]) -> bool:
        """Look for refused rows, and leave them out of the next claims; return whether there are any."""
        found = False
        for backend, slots in slots_by_backend.items():
            table = self._tables.of(backend)
            cursor = self._cursors.since(table.table), self._cursors.after(table.table)
            found = (
                await self._refusals.find(self._statements, table, slots, *cursor)
                or await self._refusals.find(self._statements, table, PROBE_WINDOW)
                or found
            )
        self._built.clear()
        return found

    async def _claim_all(self, slots_by_backend: Mapping[str, int], runner_id: str, fetch: Fetch) -> Claim:
        seen = _Seen()
        jobs = await self._claim_due(slots_by_backend, runner_id, seen, fetch)
        for backend in sorted(seen.to_probe - seen.paused.keys()):
            if slots_by_backend[backend] <= 0:
                continue
            probe = partial(self._claim_probe, self._tables.of(backend), runner_id, seen, fetch)
            try:
                jobs += await self._surely({backend: PROBE_WINDOW}, probe)
            except RowRefused:
                if not jobs:  # those are this runner's already: the next claim without any raises it
                    raise
        return Claim(jobs, breakers=seen.breakers, paused=seen.paused, retry_in=seen.retry_in)

    async def _claim_due(
        self, slots_by_backend: Mapping[str, int], runner_id: str, seen: _Seen, fetch: Fetch
    ) -> list[Job]:
        wanted = {self._tables.of(backend).table: slots for backend, slots in slots_by_backend.items()}
        if not wanted:
            return []
        if time.monotonic() - self._begun_at > START_OVER_SECONDS:
            self.start_over()
        ahead = any(map(self._cursors.is_ahead, wanted))
        rows = await self._fetched(wanted, runner_id, fetch)
        jobs, more = self._noted(list(rows), wanted, runner_id, seen)
        counts = Counter([job.backend for job in jobs])
        left = {
            self._tables.of(backend).table: slots - counts[backend]
            for backend, slots in slots_by_backend.items()
            if counts[backend] < slots
        }
        if not ahead:
            left = {table: slots for table, slots in left.items() if more[table] is More.AT_ONCE}
        if left:
            self.start_over()
            try:
                rows = await self._fetched(left, runner_id, fetch)
                jobs = self._noted(list(rows), left, runner_id, seen)[0] + jobs
            except RowRefused:
                if not jobs:  # those are this runner's already: the next claim meets that row again
                    raise
        return jobs

    async def _claim_probe(self, table: JobTable, runner_id: str, seen: _Seen, fetch: Fetch) -> list[Job]:
        statement = self._statements.probe(table, keyed=table.table in self._cursors.keyed)
        breaker = seen.breakers[table.backend]
        turns = breaker.failures, risk_turn(breaker)
        rows = list(await fetch(statement, runner_id, list(table.routes), *turns))
        if not rows:  # nothing is due, or another runner was faster
            return []
        seen.take(rows)
        return claimed_jobs(rows, (table,), runner_id)

    def _fetched(self, wanted: Mapping[str, int], runner_id: str, fetch: Fetch) -> Awaitable[Sequence[Row]]:
        """Run the statement that claims up to so many rows of each table."""
        tables = self._chosen(wanted)
        if self._cursors.at_start:
            self._begun_at = time.monotonic()
        arguments = [
            argument
            for table in tables
            for argument in self._cursors.arguments(table.table, wanted[table.table])
        ]
        return fetch(self._statement(tables), runner_id, *arguments)

    def _noted(
        self, rows: list[Row], wanted: Mapping[str, int], runner_id: str, seen: _Seen
    ) -> tuple[list[Job], dict[str, More]]:
        """Take note of what a claim has found; its jobs in their order, and where there are more."""
        tables = self._chosen(wanted)
        seen.take(rows)
        rows.sort(key=itemgetter(RUN_AT, KEY))
        more = {
            table.table: self._note(
                table, wanted[table.table], [row for row in rows if row[0] == number], seen
            )
            for number, table in enumerate(tables)
        }
        if any(row[PRIORITY] for row in rows):
            rows.sort(key=itemgetter(PRIORITY), reverse=True)
        return claimed_jobs(rows, tables, runner_id), more

    def _chosen(self, wanted: Mapping[str, int]) -> tuple[JobTable, ...]:
        return tuple(table for table in self._tables.all if table.table in wanted)

    def _note(self, table: JobTable, slots: int, rows: Sequence[Row], seen: _Seen) -> More:
        """Take note of how far a claim has got in a table."""
        filled = len(rows) >= slots
        self._cursors.reach(table.table, slots, rows)
        more = self._cursors.look(table.table, seen.keys.get(table.backend), filled=filled)
        seen.retry_in.pop(table.backend, None)
        is_open = seen.breakers.get(table.backend, Breaker()).state is not BreakerState.CLOSED
        if more is More.NEXT and not is_open and table.backend not in seen.paused:
            seen.retry_in[table.backend] = 0.0
        return more

    async def next_due(self, backends: Collection[str], *, claimable: bool = False) -> float | None:
        """See ``Store.next_due``; ``claimable``: without jobs that a breaker or a pause keeps."""
        tables = self._tables.chosen(backends)
        if not tables:
            return None
        statement = self._statements.next_due(tables, claimable=claimable)
        rows = await self._executor.fetch(Workload.CLAIM, statement)
        due = max(min(row[0] for row in rows), 0.0) if rows else None
        if due != 0:
            self._due_since = None
        elif self._due_since is None:
            self._due_since = time.monotonic()
        return due

    def _statement(self, tables: tuple[JobTable, ...]) -> str:
        keyed = self._cursors.keyed.intersection(table.table for table in tables)
        key = (keyed, *(table.table for table in tables))
        statement = self._built.get(key)
        if statement is None:
            statement = self._built[key] = self._statements.claim(tables, keyed)
        return statement
