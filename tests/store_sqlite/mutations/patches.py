"""Faults that are put into functions, for the time of a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
from tests.store_sqlite.mutations.tools import Patch, altering, setting, without_index

from sp00ky_core import machine
from sp00ky_core.errors import RowRefused
from sp00ky_core.gate.breaker import Breaker
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.ports import JobTable, Pause, SettleFate, Settlement
from sp00ky_core.stores import operations
from sp00ky_core.stores.transactional import Access, BlockingLane, Is, Row, Where
from sp00ky_core.stores.transactional import store as base
from sp00ky_core.stores.transactional.connection import executor
from sp00ky_core.stores.transactional.fleet import breaker, limit
from sp00ky_core.stores.transactional.jobs import claim, ordering, retention, settle
from sp00ky_core.stores.transactional.operate import pause
from sp00ky_core.stores.transactional.schema import definition
from sp00ky_core.stores.transactional.schema.definition import job_table


def never_reconnecting(patch: Patch) -> None:
    begun = BlockingLane._begun

    def as_it_is(self: BlockingLane) -> Any:
        if self._session is None:
            return begun(self)
        self._session.connection.execute(self._begin)
        return self._session

    patch.setattr(BlockingLane, "_begun", as_it_is)


def never_apart(patch: Patch) -> None:
    async def isolated(self: Any, work: Any, *, claims: bool = False) -> Any:
        return await self.do(work(False), Access.WRITE, claims=claims)

    patch.setattr(executor.Executor, "isolated", isolated)


def apart_for_duplicates_only(patch: Patch) -> None:
    isolated = executor.Executor.isolated

    async def only_duplicates(self: Any, work: Any, *, claims: bool = False) -> Any:
        try:
            return await self.do(work(False), Access.WRITE, claims=claims)
        except RowRefused as error:
            if "UNIQUE" not in error.problem:
                raise
            return await isolated(self, work, claims=claims)

    patch.setattr(executor.Executor, "isolated", only_duplicates)


def pruning_too(status: JobStatus) -> Callable[[Patch], None]:
    by_age = retention.Deleting.by_age

    async def more(self: Any, session: Any, tables: Sequence[JobTable], limit: int, **options: Any) -> int:
        for table in tables:
            await session.delete(job_table(table.table), [Is("status", "=", status)])
        return await by_age(self, session, tables, limit, **options)

    return setting(retention.Deleting, "by_age", more)


def keeping_failed_for_ever(patch: Patch) -> None:
    by_age = retention.Deleting.by_age

    async def kept(self: Any, session: Any, tables: Sequence[JobTable], limit: int, **options: Any) -> int:
        others = [attrs.evolve(each, keep_failed=None) for each in tables]
        return await by_age(self, session, others, limit, **options)

    patch.setattr(retention.Deleting, "by_age", kept)


def visible_again(patch: Patch) -> None:
    due = claim.Claiming._due

    async def with_overdue(
        self: Any, session: Any, table: JobTable, limit: int, now: Any, **options: Any
    ) -> Any:
        rows = await due(self, session, table, limit, now, **options)
        overdue = [Is("status", "=", JobStatus.PROCESSING), Is("lease_until", "<=", now)]
        return rows + await session.select(job_table(table.table), overdue, limit=limit)

    patch.setattr(claim.Claiming, "_due", with_overdue)


def one_more(patch: Patch) -> None:
    patch.setattr(
        base,
        "Claiming",
        lambda **fields: claim.Claiming(
            **{**fields, "slots": {t: n + 1 for t, n in fields["slots"].items()}}
        ),
    )


async def change_whatever_it_was(session: Any, change: Any) -> Any:
    found = await breaker.read_breakers(session, [change.backend], await session.now())
    before = found.get(change.backend, Breaker())
    return await breaker.change_breaker(session, attrs.evolve(change, before=before))


def decided(change: Callable[[Any, Any], Any]) -> Callable[[Patch], None]:
    decide = machine.decide

    def decided(job: Job, event: Any, policy: Any, **options: Any) -> Any:
        return change(decide(job, event, policy, **options), event)

    return setting(operations, "decide", decided)


def as_if_retried_often(job: Job, event: Any) -> Settlement:
    return settlement_of(attrs.evolve(job, max_retries=10), event)


settlement_of = operations.settlement_of


def blind(fate: SettleFate | None = None, **same: str) -> Callable[[Job, Settlement], SettleFate]:
    """The guard of a settle, blind for some of its parts."""
    compare = settle._fate

    def blind(job: Job, settlement: Settlement) -> SettleFate:
        seen = attrs.evolve(settlement, **{mine: getattr(job, its) for mine, its in same.items()})
        found = compare(job, seen)
        return fate if fate is not None and found is not SettleFate.SETTLED else found

    return blind


def due_now(job: Job, _before: Job, transition: Any, now: datetime) -> Job:
    return job if transition.delay is None else attrs.evolve(job, run_at=now)


def shorter(values: dict[str, Any]) -> dict[str, Any]:
    until = values.get("lease_until")
    return values if until is None else {**values, "lease_until": until - timedelta(seconds=30)}


def anywhen(where: Where) -> Where | None:
    return None if isinstance(where, Is) and where.column == "run_at" and where.operator == "<=" else where


def newest(order: Sequence[str]) -> Sequence[str]:
    return tuple(f"-{each}" for each in order) if "run_at" in order else order


def of_anyone(where: Where) -> Where | None:
    return None if isinstance(where, Is) and where.column == "runner_id" else where


def unleased(_table: JobTable, now: datetime) -> Where:
    return Is("lease_until", "<=", now)


async def never_taken(*_: Any) -> bool:
    return False


def never_ending(row: Row, now: datetime) -> Pause | None:
    return pause.pause_of({**row, "paused_until": None}, now)


def no_pause_while_probing(patch: Patch) -> None:
    is_open_to = claim.State.is_open_to

    def or_probing(self: claim.State, table: JobTable) -> bool:
        return self.breaker(table).wants_probe or is_open_to(self, table)

    patch.setattr(claim.State, "is_open_to", or_probing)


def keyed_last(count: int, rows: Sequence[Row], heads: Sequence[Row]) -> list[Row]:
    return [*rows, *heads][:count]


def heads_by(*columns: str) -> Callable[[Patch], None]:
    order: Any = lambda order: ("ordering_key", *columns) if "ordering_at" in order else order  # noqa: E731
    ready = altering(ordering.Rounds.ready, order=order)
    return setting(ordering.Rounds, "ready", ready)


def ordering_without(what: str) -> Callable[[Patch], None]:
    """Have nothing keep two jobs of a key apart: neither what is processing, nor the index."""
    if what == "index":
        return setting(definition, "_JOB_INDEXES", without_index("ordered"))
    return setting(ordering, "PROCESSING", Is("id", "in", ()))


def unmoved_rounds(patch: Patch) -> None:
    note = ordering.Rounds._note

    def unmoved(self: Any, table: str, at: Any, **options: Any) -> None:
        note(self, table, attrs.evolve(at, start=None, at=None, is_past_end=False), **options)

    patch.setattr(ordering.Rounds, "_note", unmoved)


def saving_up(patch: Patch) -> None:
    read = limit.read_allowance

    async def without_end(session: Any, table: JobTable, control: Row, now: datetime) -> Any:
        rate = table.rate
        if rate is not None and control.get("tokens") is not None:
            table = attrs.evolve(table, rate=attrs.evolve(rate, burst=1_000_000))
        return await read(session, table, control, now)

    patch.setattr(claim, "read_allowance", without_end)


def spending_unless(free: int) -> Callable[[Patch], None]:
    """Let claims of so many jobs cost nothing."""
    spend = limit.spend

    async def spent(session: Any, table: JobTable, allowance: Any, taken: int, now: datetime) -> None:
        if taken != free:
            await spend(session, table, allowance, taken, now)

    return setting(claim, "spend", spent)
