"""Claim due jobs: all backends in one round trip, oldest due first."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Any

from sp00ky_core.breaker import Breaker
from sp00ky_core.errors import RowRefused, StoreError
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.ports import Claim, JobTable
from sp00ky_store_surreal.breakers import breaker_of
from sp00ky_store_surreal.claim_parts import (
    bindings_of,
    but,
    due_ids,
    due_now,
    first_due_ids,
    lease_bindings,
    lease_of,
    lone_part,
    shared_part,
)
from sp00ky_store_surreal.connection import Connection, Lane, Way
from sp00ky_store_surreal.errors import NO_ROWS_FAULT, Conflict, ReplyUnreadable
from sp00ky_store_surreal.heads import Heads
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.peers import Peers
from sp00ky_store_surreal.probing import take_probe
from sp00ky_store_surreal.queries import NUL, quoted, surql
from sp00ky_store_surreal.reading import Id, Raw, jobs_in, jobs_of, load_safely, nameable
from sp00ky_store_surreal.refusals import Refusals
from sp00ky_store_surreal.signals import Signals
from sp00ky_store_surreal.unnameable import end_unnameable

__all__ = ["Claimer"]

SKIP_REFUSED = 60.0
"""Seconds that a refused row is passed over: its table, or the row, may be mended by then."""

SKIP_COLLIDING = 2.0
"""Seconds for a row that can't be written just now: it mustn't stand before the others meanwhile."""

MOST_SKIPPED = 1_000

LOOK_AGAIN = 0.1
"""Seconds between two looks at who else claims, at least."""

CAREFUL = 60.0
"""Seconds for which claims ask for less, after a reply that a value (a regex, say) kept from being read."""

CLAIMING = Way(lane=Lane.CLAIM, resend=False)
"""A claim whose reply was lost is told to the caller, who gives back what it may have taken."""


class Care(IntEnum):
    """How a claim asks for rows, one of which may hold a value that no reply can."""

    NONE = 0  # whole rows: each column that is named costs a server 4 µs a row
    SOME = 1  # what a job needs, and a payload only where it is text
    MOST = 2  # row by row


class Claimer:
    """Claims; passes over rows that the database refuses to write, for a while: they cost no other row."""

    def __init__(
        self,
        connection: Connection,
        refusals: Refusals,
        peers: Peers,
        signals: Signals,
        beats: Callable[[], Awaitable[Mapping[str, datetime]]],
    ) -> None:
        self._connection = connection
        self._refusals = refusals
        self._peers = peers
        self._signals = signals
        self._beats = beats  # reads each runner's last one
        self._heads = Heads(connection)
        self._skipped: dict[str, tuple[Id, float]] = {}  # by id: until when
        self._care = Care.NONE
        self._care_until = 0.0
        self._collided = 0  # claims, when peers were last looked for
        self._looked_at = 0.0

    def forget_heads(self) -> None:
        """A job was given back, and is due as early as it was."""
        self._heads.forget()

    async def claim(self, slots: Sequence[tuple[JobTable, int]], runner_id: str) -> Claim:
        """See ``Store.claim``."""
        read: dict[str, Breaker] = {}
        jobs = await self._claim_due(slots, runner_id, read)
        breakers = {table.backend: read[table.backend] for table, _ in slots if table.backend in read}
        for table, _ in slots:
            if table.breaker and breakers.get(table.backend, Breaker()).wants_probe:
                jobs += await self._claim_probe(table, runner_id, breakers)
        return Claim(jobs, breakers=breakers)

    async def _claim_due(
        self, slots: Sequence[tuple[JobTable, int]], runner_id: str, breakers: dict[str, Breaker]
    ) -> list[Job]:
        try:
            if self._care_now() is Care.MOST:
                return await self._claim_singly(slots, runner_id, breakers)
            if self._connection.target.embedded:
                return await self._claim_alone(slots, runner_id, breakers)
            return await self._claim_among_others(slots, runner_id, breakers)
        except ReplyUnreadable:
            self._care = Care(min(self._care_now() + 1, Care.MOST))
            self._care_until = time.monotonic() + CAREFUL
            raise
        except NO_ROWS_FAULT:
            raise
        except StoreError:
            return await self._claim_singly(slots, runner_id, breakers)

    async def _claim_alone(
        self, slots: Sequence[tuple[JobTable, int]], runner_id: str, breakers: dict[str, Breaker]
    ) -> list[Job]:
        skipped = self._skipped_now()
        statement = surql("breakers")
        bindings: dict[str, Any] = {"runner": runner_id, **NUL, **skipped}
        for number, (table, count) in enumerate(slots):
            statement += lone_part(number, table, but=but(skipped)) + surql("reply", n=str(number))
            bindings |= bindings_of(number, table, count)
        reply = await self._connection.write(statement, CLAIMING, **bindings)
        breakers.update(_read(reply))
        claimed: list[Job] = []
        for number, (table, _) in enumerate(slots):
            # of the breakers four, then per backend: ids, rows, text, the reply
            claimed += await self._jobs_in(table, reply[4 * number + 7])
        return claimed

    async def _jobs_in(self, table: JobTable, reply: Any) -> list[Job]:
        jobs = await jobs_in(self._connection, table, reply)
        if isinstance(reply, Mapping):
            await end_unnameable(self._connection, table, reply["unsafe"], jobs)
        return jobs

    async def _claim_among_others(
        self, slots: Sequence[tuple[JobTable, int]], runner_id: str, breakers: dict[str, Breaker]
    ) -> list[Job]:
        for table, _ in slots:
            await self._heads.keep_up(table)
        await self._look_for_peers(runner_id)
        claimed, empty = await self._claim_from_heads(slots, runner_id, breakers)
        again = [
            (table, count)
            for table, count in empty
            if breakers.get(table.backend, Breaker()).lets_through and await self._heads.found_nothing(table)
        ]
        if again:
            claimed += (await self._claim_from_heads(again, runner_id, breakers))[0]
        return claimed

    async def _look_for_peers(self, runner_id: str) -> None:
        """After a collision: there may be runners that this one's last beat didn't see yet."""
        collided, now = self._connection.collided[Lane.CLAIM], time.monotonic()
        if collided > self._collided and now - self._looked_at > LOOK_AGAIN:
            self._collided, self._looked_at = collided, now
            self._peers.seen(runner_id, await self._beats())

    async def _claim_from_heads(
        self, slots: Sequence[tuple[JobTable, int]], runner_id: str, breakers: dict[str, Breaker]
    ) -> tuple[list[Job], list[tuple[JobTable, int]]]:
        """Jobs that are due from the heads on, and the tables where there was none."""
        statement, bindings = self._shared_claim(slots, runner_id)
        # All or none: a backend's rows would be lost with the reply where another's collide.
        several = len(slots) > 1
        if several:
            statement = f"BEGIN;{statement}COMMIT;"
        reply = (await self._connection.write(statement, CLAIMING, **bindings))[several:]
        breakers.update(_read(reply))
        claimed: list[Job] = []
        empty, left = [], []
        for number, (table, count) in enumerate(slots):
            # of the breakers four, then per backend six: the last three are these
            found, odd, rows = reply[6 * number + 7 : 6 * number + 10]
            claimed += await (
                self._odd_jobs(table, odd, runner_id) if odd else jobs_of(self._connection, table, rows)
            )
            self._signals.claimed(table, full=found == count)
            if not found:
                empty.append((table, count))
            elif found < count and self._heads.search_is_due(table):
                self._signals.work()  # there may be some before the head
            elif len(rows) < found:
                left.append(table)
        if await self._is_any_due(left):
            self._signals.work()
        return claimed, empty

    def _shared_claim(
        self, slots: Sequence[tuple[JobTable, int]], runner_id: str
    ) -> tuple[str, dict[str, Any]]:
        """The statement, and what it binds."""
        skipped = self._skipped_now()
        columns = "AFTER" if self._care_now() is Care.NONE else surql("columns_careful")
        statement = surql("breakers")
        bindings: dict[str, Any] = {"runner": runner_id, **skipped}
        for number, (table, count) in enumerate(slots):
            n, head = str(number), self._heads.at(table)
            start = self._peers.start(runner_id, count)
            names = {"table": quoted(table.table), "n": n, "but": but(skipped)}
            if head is None:
                due = first_due_ids(names, beyond=start > 0)
                bindings[f"most{n}"] = count + len(skipped.get("skipped", ()))
            else:
                due = due_ids({**names, "from": f"run_at >= $head{n}"}, beyond=start > 0)
            statement += shared_part(n, table, due, columns)
            bindings |= {**bindings_of(number, table, count), f"head{n}": head, f"start{n}": start}
        return statement, bindings

    async def _is_any_due(self, tables: Iterable[JobTable]) -> bool:
        """Whether a claim that got less than it found left something: others were faster, or it isn't due."""
        try:
            return any([await self._heads.is_due(table) for table in tables])
        except StoreError:
            return True  # what was claimed mustn't be lost for it

    async def _odd_jobs(self, table: JobTable, ids: Sequence[Raw], runner_id: str) -> list[Job]:
        """The claimed ones of jobs some of whose ids come as text only."""
        jobs = await load_safely(self._connection, table, nameable(ids))
        await end_unnameable(self._connection, table, ids, jobs)
        return [job for job in jobs if job.status is JobStatus.PROCESSING and job.runner_id == runner_id]

    async def _claim_probe(self, table: JobTable, runner_id: str, breakers: dict[str, Breaker]) -> list[Job]:
        skipped = self._skipped_now()
        ids, breaker = await take_probe(
            self._connection,
            table,
            runner_id,
            skipped=skipped.get("skipped", []),
            take=lambda ids: self._claim_these(table, ids, runner_id),
        )
        if breaker is not None:
            breakers[table.backend] = breaker
        return await load_safely(self._connection, table, ids) if ids else []

    def _care_now(self) -> Care:
        return self._care if time.monotonic() < self._care_until else Care.NONE

    def _skipped_now(self) -> dict[str, list[Id]]:
        now = time.monotonic()
        self._skipped = {key: each for key, each in self._skipped.items() if each[1] > now}
        ids = [row_id for row_id, _ in self._skipped.values()]
        return {"skipped": ids} if ids else {}

    async def _claim_singly(
        self, slots: Sequence[tuple[JobTable, int]], runner_id: str, breakers: dict[str, Breaker]
    ) -> list[Job]:
        claimed: list[Job] = []
        breakers.update(_read(await self._connection.read(surql("breakers"))))
        for table, count in slots:
            if not table.breaker or breakers.get(table.backend, Breaker()).lets_through:
                ids = await self._claim_each(table, count, runner_id)
                claimed += await load_safely(self._connection, table, ids) if ids else []
        return claimed

    async def _claim_each(self, table: JobTable, count: int, runner_id: str) -> list[Id]:
        statement, bindings = due_now(
            table,
            count,
            self._skipped_now().get("skipped", []),
            embedded=self._connection.target.embedded,
        )
        reply = await self._connection.read(statement, **bindings)
        return await self._claim_these(table, [row["id"] for row in reply[-1]], runner_id)

    async def _claim_these(self, table: JobTable, ids: Sequence[Id], runner_id: str) -> list[Id]:
        statement = surql("claim_one", lease=lease_of(table, ""))
        lease: dict[str, Any] = lease_bindings(table, "")
        claimed: list[Id] = []
        for each in ids:
            try:
                done = await self._connection.write(statement, CLAIMING, id=each, runner=runner_id, **lease)
            except NO_ROWS_FAULT:
                raise
            except StoreError as error:
                self._skip(each, error)
            else:
                claimed += [row["id"] for row in done[-1]]
        return claimed

    def _skip(self, row_id: Id, error: StoreError) -> None:
        text = id_text(row_id)
        if not isinstance(error, Conflict):
            self._refusals.tell(text, "claimed", error)
        if len(self._skipped) < MOST_SKIPPED:
            seconds = SKIP_REFUSED if isinstance(error, RowRefused) else SKIP_COLLIDING
            self._skipped[text] = (row_id, time.monotonic() + seconds)


def _read(reply: Sequence[Any]) -> dict[str, Breaker]:
    return {row["backend"]: breaker_of(row) for row in reply[3]}
