"""Claim due jobs, as far as pauses, breakers, limits and the order of their keys let them through."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs

from sp00ky_core.errors import RowRefused
from sp00ky_core.gate.breaker import Breaker, route_in_turn
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.ports import PROBE_LATEST, PROBE_WINDOW, Claim, JobTable
from sp00ky_core.stores.decisions import PASSED, Allowance
from sp00ky_core.stores.ids import job_id
from sp00ky_core.stores.refused_writes import Quarantine
from sp00ky_core.stores.rows import claimed_of, instant_of
from sp00ky_store_kit.breakers_and_pauses import (
    give_back_probe,
    lock_control,
    pauses_of,
    read_breakers,
    read_controls,
    seconds_left,
    spend,
    take_probe,
)
from sp00ky_store_kit.connection.session import Is, ReadOptions, Row, Session
from sp00ky_store_kit.jobs.due import HEAD, Rounds, is_taken, rank, select_due, unleased
from sp00ky_store_kit.rows import (
    PENDING,
    PROCESSING,
    JobRows,
    RowChanged,
    claimed_lengths,
    guard_of,
    is_nameable,
    keys_resting,
    others_than,
    to_job,
    update_all,
)
from sp00ky_store_kit.schema import job_table

__all__ = ["Claiming", "joined"]


@attrs.frozen(kw_only=True)
class State:
    """Holds what may keep jobs of its backends from a claim.

    Attributes:
        now: The time.
        breakers: By backend, without those that are as if new.
        paused: Seconds that an operator's pause lasts yet, by backend.
        controls: Their rows, by backend.
    """

    now: datetime
    breakers: dict[str, Breaker]
    paused: dict[str, float]
    controls: dict[str, Row]

    def breaker(self, table: JobTable) -> Breaker:
        """Return a table's breaker, as if new where it has none."""
        return self.breakers.get(table.backend, Breaker()) if table.breaker else Breaker()

    async def allowance(self, stored: JobRows) -> Allowance:
        """Read what a table's limits leave."""
        table, control, in_flight = stored.table, self.controls.get(stored.table.backend, {}), 0
        if table.max_in_flight is not None:
            in_flight = await stored.count(PROCESSING) + await stored.count(*stored.leased())
        at = instant_of(control.get("tokens_at"))
        return Allowance.of(table, stored.now, tokens=control.get("tokens"), at=at, in_flight=in_flight)

    def is_open_to(self, table: JobTable) -> bool:
        """Whether a claim may have jobs of a table, or a probe."""
        breaker = self.breaker(table)
        return table.backend not in self.paused and (breaker.lets_through or breaker.wants_probe)


@attrs.frozen(kw_only=True)
class Claiming:
    """Makes one claim: of which tables, how many rows each, by whom.

    Attributes:
        slots: How many jobs at most, by table. One with limits has a claim of its own.
        runner_id: Whose they become.
        refused: Rows that the database has refused to have claimed; they are left out.
        rounds: How far the keys of tables have been looked through.
        apart: Write each row in a savepoint of its own, and find out which are refused.
        quiet: Log nothing of these.
        problems: What the database said of them, by the job's id.
    """

    slots: Mapping[JobTable, int]
    runner_id: str
    refused: Quarantine
    rounds: Rounds = attrs.field(factory=Rounds)
    apart: bool = False
    quiet: bool = False
    problems: dict[str, str] = attrs.field(factory=dict)

    async def look(self, session: Session) -> tuple[Claim, list[JobTable]]:
        """Find out without a lock which tables may have jobs; with the claim as it is without these."""
        state = await self._state(session)
        tables: list[JobTable] = []
        retry_in: dict[str, float] = {}
        for table in filter(state.is_open_to, self.slots):
            stored = JobRows(session, table, state.now)
            if await self._due(stored, 1, columns=HEAD) or await self._heads(stored, peek=True):
                wait = (await state.allowance(stored)).retry_in(1, 0)
                if wait is None:
                    tables.append(table)
                else:
                    retry_in[table.backend] = wait
            elif self.rounds.is_cut_off(table):
                retry_in[table.backend] = 0.0
        return Claim(breakers=state.breakers, paused=state.paused, retry_in=retry_in), tables

    async def claim(self, session: Session) -> Claim:
        """Take jobs, and probes where breakers are open."""
        for table in self.slots:
            if table.has_limits and not await lock_control(session, table.backend):
                return Claim(retry_in={table.backend: PASSED})
        state = await self._state(session)
        jobs: list[Job] = []
        retry_in: dict[str, float] = {}
        for table in filter(state.is_open_to, self.slots):
            stored, slots = JobRows(session, table, state.now), self.slots[table]
            allowance = await state.allowance(stored)
            taken = await self._take(stored, allowance.grant(slots), state)
            await spend(stored, allowance, len(taken))
            jobs += taken
            if (wait := allowance.retry_in(slots, len(taken))) is not None:
                retry_in[table.backend] = wait
            elif self.rounds.is_cut_off(table):
                retry_in[table.backend] = 0.0
        return Claim(jobs, breakers=state.breakers, paused=state.paused, retry_in=retry_in)

    async def _state(self, session: Session) -> State:
        now, controls = await session.now(), await read_controls(session, self.slots)
        pauses = pauses_of(controls, now)
        return State(
            now=now,
            breakers=await read_breakers(session, self.slots, now),
            paused={backend: seconds_left(pause, now) for backend, pause in pauses.items()},
            controls=controls,
        )

    async def _due(
        self, stored: JobRows, limit: int, *, columns: Sequence[str] | None = None, latest: bool = False
    ) -> list[Row]:
        where = [*others_than(self.refused, "claimed", stored.table.table), *unleased(stored)]
        unnamed = [key for key in self._resting(stored) if not is_nameable(key)]
        options = ReadOptions(columns=columns, lock=columns is None, longest=claimed_lengths(stored.table))
        rows = await select_due(stored, where, limit + len(unnamed), latest=latest, **options)
        rows = [row for row in rows if row["id"] not in unnamed]
        return rows if latest else rows[:limit]

    async def _heads(self, stored: JobRows, *, peek: bool = False) -> list[Row]:
        return await self.rounds.ready(stored, self._resting(stored), peek=peek)

    def _resting(self, stored: JobRows) -> list[str]:
        return keys_resting(self.refused, "claimed", stored.table.table)

    async def _take(self, stored: JobRows, slots: int, state: State) -> list[Job]:
        if slots < 1:
            return []
        heads = await self._heads(stored)
        if not state.breaker(stored.table).lets_through:
            return await self._probe(stored, heads, state)
        taken, tried = list[Job](), set[str]()
        while left := slots - len(taken):
            first = _first(left, await self._due(stored, left), heads)
            rows = [row for row in first if row["id"] not in tried]  # the refused may be forgotten
            tried.update(row["id"] for row in rows)
            heads = [head for head in heads if head not in rows]
            if not self.apart:
                taken = await self._claim_rows(stored, rows)
                break
            claimed = [await self._claim_row(stored, row) for row in rows]
            taken += [job for job in claimed if job is not None]
            if not rows:
                break
        if heads:
            self.rounds.begin_again(stored.table)
        return taken

    async def _probe(self, stored: JobRows, heads: Sequence[Row], state: State) -> list[Job]:
        """Take a probe, and with it the best job that isn't refused or held by another transaction."""
        session, table = stored.session, stored.table
        window = await self._probe_window(stored, heads, state.breaker(table))
        if not window:
            return []
        jobs: list[Job] = []
        before = await take_probe(session, table, self.runner_id)
        for row in window if before is not None else ():
            if (job := await self._claim_row(stored, row)) is not None:
                jobs.append(job)
                break
        if before is not None and not jobs:
            await give_back_probe(session, before)
        state.breakers.update(await read_breakers(session, [table], state.now))
        return jobs

    async def _probe_window(self, stored: JobRows, heads: Sequence[Row], breaker: Breaker) -> list[Row]:
        """Return the jobs that may be a probe, the best first."""
        due = await self._due(stored, PROBE_WINDOW, columns=HEAD)
        window = _first(PROBE_WINDOW, due, heads)
        if len(due) == PROBE_WINDOW:
            window += await self._due(stored, PROBE_LATEST, columns=HEAD, latest=True)
        routes = stored.table.routes
        known = ((row["path"], _has_retries(row)) for row in window if row["path"] in routes)
        turn = route_in_turn(known, breaker)
        return sorted(window, key=lambda row: (row["path"] == turn, _has_retries(row)), reverse=True)

    async def _claim_row(self, stored: JobRows, row: Row) -> Job | None:
        """Claim a row in a savepoint of its own; None: another transaction has it, or it is refused."""
        try:
            async with stored.session.savepoint():
                return next(iter(await self._claim_rows(stored, [row])), None)
        except RowChanged:
            return None
        except RowRefused as error:
            # The row itself is sound where another transaction has taken its key since it was looked at.
            if not await is_taken(stored, row["ordering_key"]):
                id_ = job_id(stored.table.table, row["id"])
                self.problems[id_] = error.problem
                self.refused.add("claimed", [id_], error.problem, quiet=self.quiet)
            return None

    async def _claim_rows(self, stored: JobRows, rows: Sequence[Row]) -> list[Job]:
        table, rows = stored.table, await self._whole(stored, rows)
        jobs = [claimed_of(to_job(table, row), table) for row in rows]
        claims = [self._values(table, job, stored.now) for job in jobs]
        guards = map(guard_of, rows)
        written = [{"status": JobStatus.PROCESSING.value, **values} for values in claims]
        updates = list(zip(guards, written, strict=True))
        await update_all(stored.session, job_table(table.table), updates)
        return [
            attrs.evolve(job, status=JobStatus.PROCESSING, **values)
            for job, values in zip(jobs, claims, strict=True)
        ]

    def _values(self, table: JobTable, job: Job, now: datetime) -> dict[str, Any]:
        lease = table.attempt_timeout(job.timeout) + table.lease_margin
        return {
            "lease_epoch": job.lease_epoch + 1,
            "lease_until": now + timedelta(seconds=lease),
            "runner_id": self.runner_id,
            "updated_at": now,
            "claimed_max_retries": job.max_retries,
        }

    async def _whole(self, stored: JobRows, rows: Sequence[Row]) -> Sequence[Row]:
        """Read, and lock, the rows that were only looked at; without those that another transaction has."""
        looked_at = [row["id"] for row in rows if "payload" not in row]
        if not looked_at:
            return rows
        where, longest = [PENDING, Is("id", "in", looked_at)], claimed_lengths(stored.table)
        whole = {row["id"]: row for row in await stored.select(where, longest=longest, lock=True)}
        return [whole.get(row["id"], row) for row in rows if "payload" in row or row["id"] in whole]


def transactions(slots: Mapping[JobTable, int], tables: Collection[JobTable]) -> list[dict[JobTable, int]]:
    """Divide a claim into transactions: one for each table with limits, and one for the others."""
    free = {table: slots[table] for table in tables if not table.has_limits}
    limited = [{table: slots[table]} for table in tables if table.has_limits]
    return [free, *limited] if free else limited


def joined(one: Claim, other: Claim) -> Claim:
    """Return two claims as one; what the other says of a backend is newer."""
    return Claim(
        [*one, *other],
        breakers={**one.breakers, **other.breakers},
        paused={**one.paused, **other.paused},
        retry_in={**one.retry_in, **other.retry_in},
    )


def _first(count: int, due: Sequence[Row], heads: Sequence[Row]) -> list[Row]:
    """Return the rows that come first, of those without a key, in their order, and the first ones of keys."""
    return sorted([*due, *heads], key=rank)[:count] if heads else list(due)


def _has_retries(row: Row) -> bool:
    retries, most = row["retries"], row["max_retries"]
    return isinstance(retries, int) and isinstance(most, int) and retries < most
