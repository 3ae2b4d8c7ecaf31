"""Claim due jobs: all backends in one round trip, oldest due first."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.config import BreakerConfig
from sp00ky_core.errors import StoreError
from sp00ky_core.gate.breaker import Breaker, BreakerChange, ProbeWithoutNews, change_after, route_in_turn
from sp00ky_core.job.job import Job
from sp00ky_core.ports import PROBE_LATEST, PROBE_WINDOW, BreakerResult, Claim, JobTable
from sp00ky_core.stores import PASSED
from sp00ky_store_kit.fleet import beats
from sp00ky_store_surreal import errors
from sp00ky_store_surreal.connection.conflict_retries import CLAIMING, Connection, Lane
from sp00ky_store_surreal.embedded_or_server import RANKS
from sp00ky_store_surreal.errors import NO_ROWS_FAULT, TookTooLong
from sp00ky_store_surreal.jobs import claim_statement as statements
from sp00ky_store_surreal.jobs.claim_precautions import BatchSize, Care, Carefulness, ClaimRefusals
from sp00ky_store_surreal.jobs.claim_start import Groups, Heads, Peers
from sp00ky_store_surreal.jobs.claim_statement import ClaimPart, ClaimState, Part, Slots, longest_bindings
from sp00ky_store_surreal.kit_session import SurrealSession
from sp00ky_store_surreal.observe.signals import Signals
from sp00ky_store_surreal.rows import load_claimed, read_claimed
from sp00ky_store_surreal.schema.index_rebuilds import ClaimIndex
from sp00ky_store_surreal.schema.table_layouts import TableLayouts
from sp00ky_store_surreal.surql.durations import duration_text
from sp00ky_store_surreal.surql.loader import quoted, surql

LONG_SECONDS = 3.0
"""Seconds after which a claim leaves further rows that are too long to the next one."""

LOOK_AGAIN = 0.1
"""Seconds between two looks at who else claims, at least."""

SUITED = ", (retries < max_retries) AS spare, (IF path IN $routes { path }) AS route"
"""What makes a job a better probe than another."""

Change = Callable[[BreakerChange], Awaitable[BreakerResult]]
"""Changes a breaker: ``Store.change_breaker``."""

_Row = Mapping[str, Any]


@attrs.define(kw_only=True, eq=False)
class Claimer:
    """Claims jobs. Rows that the database refuses to write are passed over for a while."""

    _layouts: TableLayouts
    _heads: Heads
    _refusals: ClaimRefusals
    _peers: Peers
    _signals: Signals
    _index: ClaimIndex
    _change_breaker: Change
    _size: BatchSize = attrs.field(factory=BatchSize, init=False)
    _care: Carefulness = attrs.field(factory=Carefulness, init=False)
    _groups: Groups = attrs.field(factory=Groups, init=False)
    _mixed: set[str] = attrs.field(factory=set, init=False)  # tables seen to hold rows that are no jobs
    _collided: int = attrs.field(default=0, init=False)  # claims, when peers were last looked for
    _looked_at: float = attrs.field(default=0.0, init=False)

    @property
    def _connection(self) -> Connection:
        return self._layouts.connection

    def forget_heads(self) -> None:
        """Forget where claims start: a job was given back, and is due as early as it was."""
        self._heads.forget()

    def may_order(self, backend: str) -> bool:
        """Whether this claimer may have taken a job with an ordering_key."""
        return self._groups.are_ordered(backend)

    async def claim(self, slots: Slots, runner_id: str) -> Claim:
        """See ``Store.claim``."""
        there = await self._layouts.there(table for table, _ in slots)
        try:
            return await self._claim([slot for slot in slots if slot[0] in there], runner_id)
        except errors.TableMissing as error:
            self._layouts.note(error)  # what was claimed beside it is released: no runner knows of it
            raise

    async def _claim(self, slots: Slots, runner_id: str) -> Claim:
        state = ClaimState()
        free = [slot for slot in slots if not slot[0].has_limits]
        jobs = await self._claim_due(free, runner_id, state) if free else []
        for slot in slots:
            if slot[0].has_limits:
                jobs += await self._claim_due([slot], runner_id, state)
        for table, _ in slots:
            if state.wants_probe(table) and not state.retry_in.get(table.backend):
                with state.passing_over(table):
                    jobs += await self._claim_probe(table, runner_id, state)
        return state.claim_of(jobs)

    async def _claim_due(self, slots: Slots, runner_id: str, state: ClaimState) -> list[Job]:
        while True:
            fewer = [(table, self._size.of(count)) for table, count in slots]
            try:
                jobs = await self._claim_carefully(fewer, runner_id, state)
            except (TookTooLong, errors.ConnectionLost) as error:
                is_one = self._size.is_one
                self._size.took_too_long(max(count for _, count in fewer))
                if isinstance(error, errors.ConnectionLost):
                    raise
                await self._end_left_queries(fewer)
                if is_one:
                    return await self._claim_singly(fewer, runner_id, state)
            else:
                self._size.went_well()
                return jobs

    async def _claim_carefully(self, slots: Slots, runner_id: str, state: ClaimState) -> list[Job]:
        """Claim jobs together, or one by one where one of them is refused or can't be read."""
        try:
            if self._care.now() is Care.MOST:
                return await self._claim_singly(slots, runner_id, state)
            return await self._claim_together(slots, runner_id, state)
        except errors.ReplyUnreadable:
            self._care.raise_it()
            raise
        except (*NO_ROWS_FAULT, TookTooLong):
            raise
        except StoreError as error:
            for_token = isinstance(error, errors.Conflict) and slots[0][0].has_limits
            if not (for_token or isinstance(error, errors.DuplicateKey)):
                return await self._claim_singly(slots, runner_id, state)
            state.retry_in.update({table.backend: PASSED for table, _ in slots})  # another was faster
            return []

    async def _claim_together(self, slots: Slots, runner_id: str, state: ClaimState) -> list[Job]:
        for table, _ in slots:
            for rank in self._ranks(table):
                await self._heads.keep_up(table, rank)
        await self._look_for_peers(runner_id)
        most = self._peers.most(runner_id)
        fewer = [(table, min(count, most)) for table, count in slots]
        claimed, empty = await self._claim_parts(fewer, runner_id, state)
        again = [
            (table, count)
            for table, count in empty
            if state.is_open(table)
            and not state.retry_in.get(table.backend)
            and any([await self._heads.found_nothing(table, rank) for rank in self._ranks(table)])
        ]
        if again:
            claimed += (await self._claim_parts(again, runner_id, state))[0]
        taken = Counter(job.backend for job in claimed)
        if any(most <= taken[table.backend] < count for table, count in slots):
            self._signals.wake()  # there are places left, and there may be jobs
        return claimed

    def _ranks(self, table: JobTable) -> tuple[int, ...]:
        return RANKS if self._groups.are_in(table) else (0,)

    async def _claim_parts(
        self, slots: Slots, runner_id: str, state: ClaimState
    ) -> tuple[list[Job], list[tuple[JobTable, int]]]:
        """Claim due jobs from the heads on; return the jobs, and the tables that had none."""
        row = "$this" if self._care.now() is Care.NONE else surql("job_columns_named").strip()
        statement, bindings = statements.claim_of(self._parts(slots, runner_id), runner_id, row=row)
        reply = await self._connection.write(statement, CLAIMING, **bindings)
        state.read(reply, slots)
        claimed: list[Job] = []
        empty, again = [], []
        for (table, count), part in zip(slots, statements.parts_of(reply), strict=True):
            claimed += await read_claimed(self._connection, table, part.rows, runner_id)
            if part.has_others:
                self._mixed.add(table.table)
                self._signals.wake()  # these rows took the place of jobs
            await self._put_off(table, [row["id"] for row in part.early])
            claimed += await self._claim_long(table, part.long, runner_id)
            if self._note(table, count, part, state):
                again.append((table, count))
            elif not part.found:
                empty.append((table, count))
            else:
                await self._look_for_more(table, count, part)
        more, still_empty = await self._claim_parts(again, runner_id, state) if again else ([], [])
        return claimed + more, empty + still_empty

    def _parts(self, slots: Slots, runner_id: str) -> list[ClaimPart]:
        return [
            self._part(
                table,
                count,
                n=str(number),
                jobs_only=self._connection.target.embedded or table.table in self._mixed,
                is_wide=self._groups.are_in(table),
                heads={rank: self._heads.at(table, rank) for rank in self._ranks(table)},
                start=self._peers.start(runner_id, count),
                after=self._groups.after(table),
            )
            for number, (table, count) in enumerate(slots)
        ]

    def _part(self, table: JobTable, count: int, **more: Any) -> ClaimPart:
        return ClaimPart(
            table=table,
            count=count,
            dialect=self._connection.dialect,
            skipped=self._refusals.ids(),
            asks_rows=self._index.is_untrue(table),
            **more,
        )

    async def _look_for_more(self, table: JobTable, count: int, part: Part) -> None:
        """Wake runners where there may be more than a claim has got."""
        left, full = part.found > part.taken, part.taken == count
        if part.found < count and self._heads.search_is_due(table):
            self._signals.wake()  # there may be some before the head
        elif left and await self._is_due(table):
            self._signals.wake()
            full = part.found == count
        self._signals.claimed(table, full=full)

    def _note(self, table: JobTable, count: int, part: Part, state: ClaimState) -> bool:
        """Take note of what a part has seen; return whether the table is to be claimed again, at once."""
        if not part.chosen.get("over", True) and part.found < count:
            state.retry_in.setdefault(table.backend, 0.0)
        return self._groups.note(table, part.chosen) and state.is_open(table)

    async def _look_for_peers(self, runner_id: str) -> None:
        """Look, after a collision, for runners that this one's last beat didn't see yet."""
        collided, now = self._connection.collided[Lane.CLAIM], time.monotonic()
        if collided > self._collided and now - self._looked_at > LOOK_AGAIN:
            self._collided, self._looked_at = collided, now
            self._peers.seen(runner_id, await beats(SurrealSession(self._connection, Lane.REST)))

    async def _put_off(self, table: JobTable, ids: Sequence[RecordID]) -> None:
        """Move ``run_at`` of jobs that a client delayed, and that were met too early, many at a time."""
        if not ids:
            return
        self._signals.wake()  # these jobs stood before others
        group = self._connection.dialect.group(0)
        statement = surql("claim_put_off_delayed", table=quoted(table.table), group=group)
        try:
            await self._connection.write(statement, CLAIMING, ids=list(ids))
        except StoreError as error:  # what was claimed mustn't be lost for it
            for id_ in ids:
                self._refusals.skip(id_, error)

    async def _is_due(self, table: JobTable) -> bool:
        """Whether a claim that got less than it found left something: others were faster, or it isn't due."""
        try:
            return await self._heads.is_due(table)
        except StoreError:
            return True  # what was claimed mustn't be lost for it

    async def _claim_probe(self, table: JobTable, runner_id: str, state: ClaimState) -> list[Job]:
        """Take the probe of an open breaker, and one due job for it.

        Nothing is taken where nothing is due, or another runner was faster.
        """
        before = state.breakers[table.backend]
        part = self._part(table, PROBE_WINDOW, heads=await self._heads.all_kept_up(table))
        rows = await self._suited(part, part.due_now(SUITED))
        if len(rows) == PROBE_WINDOW and not self._connection.target.embedded:  # read backwards
            rows += await self._suited(part, part.due_last(SUITED))
        if not rows:
            return []
        reply = await self._connection.write(
            surql("breaker_take_probe"),
            CLAIMING,
            breaker=RecordID("sp00ky_breaker", table.backend),
            runner=runner_id,
            lease=duration_text(table.probe_lease),
            **longest_bindings([table]),
        )
        if not reply[-1]:
            return []
        breaker = state.breakers[table.backend] = statements.breaker_of(reply[-1][0])
        if claimed := await self._claim_rows(table, [_best(rows, before)], runner_id):
            return claimed
        no_news = ProbeWithoutNews(runner_id=runner_id)
        handed_back = change_after(table.backend, breaker, no_news, BreakerConfig())
        if handed_back is not None:
            state.breakers[table.backend] = (await self._change_breaker(handed_back)).breaker
        return []

    async def _suited(self, part: ClaimPart, statement: str) -> list[_Row]:
        bindings = {**part.bindings(), "routes": list(part.table.routes), "latest": PROBE_LATEST}
        rows: list[_Row] = (await self._connection.write(statement, CLAIMING, **bindings))[-1]
        return rows

    async def _claim_singly(self, slots: Slots, runner_id: str, state: ClaimState) -> list[Job]:
        claimed: list[Job] = []
        longest = longest_bindings(table for table, _ in slots)
        state.read(await self._connection.read(surql("claim_shut_backends"), **longest), slots)
        for table, count in slots:
            if state.is_open(table):
                with state.passing_over(table):
                    claimed += await self._claim_each(table, count, runner_id)
        return claimed

    async def _claim_each(self, table: JobTable, count: int, runner_id: str) -> list[Job]:
        part = self._part(table, count, heads=await self._heads.all_kept_up(table))
        chosen = (await self._connection.write(part.due_now(""), CLAIMING, **part.bindings()))[-1]
        return await self._claim_rows(table, chosen, runner_id)

    async def _claim_rows(self, table: JobTable, chosen: Sequence[_Row], runner_id: str) -> list[Job]:
        """Claim rows one by one, those that are too long behind the others."""
        short, long = (
            [row["id"] for row in chosen if row["sp00ky_long"] is is_long] for is_long in (False, True)
        )
        claimed = await self._claim_short(table, short, runner_id)
        return claimed + await self._claim_long(table, long, runner_id)

    async def _claim_short(self, table: JobTable, ids: Sequence[RecordID], runner_id: str) -> list[Job]:
        claimed: list[_Row] = []
        for row_id in ids:
            try:
                claimed += await self._claim_one(table, row_id, runner_id, statements.time_limit())
            except NO_ROWS_FAULT:
                raise
            except errors.DuplicateKey:  # another job of its ordering_key was claimed meanwhile
                continue
            except TookTooLong as error:
                self._signals.wake()
                self._refusals.skip_slow(row_id, error)
                break  # the next one would take as long
            except StoreError as error:
                self._refusals.skip(row_id, error)
        return await load_claimed(self._connection, table, claimed, runner_id) if claimed else []

    async def _claim_long(self, table: JobTable, ids: Sequence[RecordID], runner_id: str) -> list[Job]:
        """Claim rows that are too long one by one, however long that takes: every claim reads them whole."""
        claimed: list[Job] = []
        began = time.monotonic()
        for row_id in ids:
            if time.monotonic() > began + LONG_SECONDS:
                break
            try:
                rows = await self._claim_one(table, row_id, runner_id, "")
                claimed += await load_claimed(self._connection, table, rows, runner_id) if rows else []
            except NO_ROWS_FAULT:
                break  # what was claimed before mustn't be lost for it
            except StoreError as error:
                self._refusals.skip(row_id, error)
            else:
                await self._put_off(table, [] if rows else [row_id])
        return claimed

    async def _claim_one(
        self, table: JobTable, row_id: RecordID, runner_id: str, limit: str
    ) -> Sequence[_Row]:
        part = self._part(table, 1)
        bindings = {**part.bindings(), "id": row_id, "runner": runner_id}
        reply = await self._connection.write(part.named(limit=limit), CLAIMING, **bindings)
        rows: Sequence[_Row]
        ((rows,),) = statements.marked(reply, "one")
        return rows

    async def _end_left_queries(self, slots: Slots) -> None:
        """Have a server forget clients' LIVE queries whose connection has ended.

        It evaluates them at each write until another LIVE query of the table begins or ends.
        """
        with suppress(StoreError):  # what was claimed mustn't be lost for it
            for table, _ in slots:
                begin = surql("claim_live_nothing", table=quoted(table.table))
                (query,) = await self._connection.write(begin)
                await self._connection.write(surql("watch_end_live_query", query=str(query)))


def _best(rows: Sequence[_Row], breaker: Breaker) -> _Row:
    """Return the job that is the best probe: of the route whose turn it is, one with retries left."""
    known = ((row["route"], row["spare"]) for row in rows if row["route"] is not None)
    turn = route_in_turn(known, breaker)
    return max(rows, key=lambda row: (row["route"] == turn, row["spare"]))
