"""Faults of whole calls: what is told of a fleet, and what is kept of jobs, limits and pauses."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from math import inf
from typing import Any

import attrs
from tests.store_sqlite.mutations.tools import Mutation

from sp00ky_core.ports import (
    AuditEntry,
    Claim,
    ErrorGroup,
    RunnerRecord,
    Settlement,
    SettleResult,
    StoreOptions,
)
from sp00ky_core.stores.ids import table_of
from sp00ky_store_sqlite import SqliteStore

__all__ = ["FLEET"]


def past(store: SqliteStore, statement: str, *values: object) -> None:
    """Change rows past a store."""
    with closing(sqlite3.connect(store.location.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute(statement, values)


def change(store: SqliteStore, job_id: str, assignment: str) -> None:
    """Change a job past a store."""
    past(store, f'UPDATE "{table_of(job_id)}" SET {assignment} WHERE id = ?', job_id.partition(":")[2])


class Forgetful(SqliteStore):
    """After a settle a job is no longer what it was."""

    forgotten = ""

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        results = await super().settle(settlements)
        for each in results:
            change(self, each.job_id, self.forgotten)
        return results


class ForgetsPriority(Forgetful):
    forgotten = "priority = 0"


class ForgetsPlace(Forgetful):
    forgotten = "ordering_at = updated_at"


class ForgetsExpiry(Forgetful):
    forgotten = "expires_at = NULL"


class NeverTellsOfMore(SqliteStore):
    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        claim = await super().claim(slots_by_backend, runner_id)
        claim.retry_in = {}
        return claim


class TellsOfMoreAlways(SqliteStore):
    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        claim = await super().claim(slots_by_backend, runner_id)
        claim.retry_in = dict.fromkeys(slots_by_backend, 1.0)
        return claim


class WithTables(SqliteStore):
    """Other limits than are configured."""

    def __init__(self, options: StoreOptions) -> None:
        super().__init__(attrs.evolve(options, tables=tuple(map(self.other, options.tables))))

    def other(self, table: Any) -> Any:
        raise NotImplementedError


class BurstsMore(WithTables):
    def other(self, table: Any) -> Any:
        rate = table.rate and attrs.evolve(table.rate, burst=table.rate.burst + 1)
        return attrs.evolve(table, rate=rate)


class TenTimesTheRate(WithTables):
    def other(self, table: Any) -> Any:
        rate = table.rate and attrs.evolve(table.rate, limit=table.rate.limit * 10)
        return attrs.evolve(table, rate=rate)


class HasRoom(WithTables):
    def other(self, table: Any) -> Any:
        return attrs.evolve(table, max_in_flight=None)


class NewBuckets(SqliteStore):
    async def open(self) -> None:
        await super().open()
        with suppress(sqlite3.Error):  # there is no table yet
            past(self, "UPDATE sp00ky_control SET tokens = NULL, tokens_at = NULL")


class PausesAlone(SqliteStore):
    """A pause of this process only."""

    def __init__(self, options: StoreOptions) -> None:
        super().__init__(options)
        self.paused: set[str] = set()

    async def pause(self, backend: str, **options: Any) -> bool:
        is_new = backend not in self.paused
        self.paused.add(backend)
        return is_new

    async def resume(self, backend: str) -> bool:
        was = backend in self.paused
        self.paused.discard(backend)
        return was

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        slots = {name: count for name, count in slots_by_backend.items() if name not in self.paused}
        claim = await super().claim(slots, runner_id)
        claim.paused = dict.fromkeys(self.paused.intersection(slots_by_backend), inf)
        return claim


class PausesForGood(SqliteStore):
    async def pause(self, backend: str, *, seconds: float | None = None, **options: Any) -> bool:
        return await super().pause(backend, **options)


class ResumesAnything(SqliteStore):
    async def resume(self, backend: str) -> bool:
        past(self, "UPDATE sp00ky_control SET paused = 0 WHERE backend = ?", backend)
        return True


def _delayed(settlement: Settlement, delay: float | None) -> Settlement:
    return attrs.evolve(settlement, transition=attrs.evolve(settlement.transition, delay=delay, run_at=None))


class ShiftsDelays(SqliteStore):
    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        delays = [each.transition.delay for each in settlements]
        shifted = zip(settlements, [*delays[1:], *delays[:1]], strict=True)
        return await super().settle([_delayed(each, delay) for each, delay in shifted])


class ReschedulesToNow(SqliteStore):
    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        return await super().settle([each if each.is_own else _delayed(each, 0.0) for each in settlements])


class SmallestFirst(SqliteStore):
    async def errors(self, **options: Any) -> list[ErrorGroup]:
        return (await super().errors(**options))[::-1]


class DrainsAnyone(SqliteStore):
    async def drain_runner(self, runner_id: str) -> bool:
        await super().drain_runner(runner_id)
        return True


class OldestRunnerFirst(SqliteStore):
    async def runners(self) -> list[RunnerRecord]:
        return (await super().runners())[::-1]


class AuditsOldestFirst(SqliteStore):
    async def audit(self, **options: Any) -> list[AuditEntry]:
        return (await super().audit(**options))[::-1]


class AuditsAll(SqliteStore):
    async def audit(self, **options: Any) -> list[AuditEntry]:
        return await super().audit(limit=options.get("limit", 100), after=options.get("after"))


class NeverEnds(SqliteStore):
    async def update_audit(self, entry_id: str, *, count: int, ended: bool = False) -> None:
        await super().update_audit(entry_id, count=count)


def by(store: type[SqliteStore], *tests: str) -> Mutation:
    """Build a fault that is a class."""
    return Mutation(tuple(f"test_{each}" for each in tests), store=store)


FLEET: Mapping[str, Mutation] = {
    "a settle forgets the priority": by(ForgetsPriority, "a_retry_keeps_it", "a_deferral_keeps_it"),
    "a settle forgets the place": by(
        ForgetsPlace,
        "a_retry_comes_before_the_next",
        "a_job_that_waits_for_a_retry_holds_back_the_next",
        "a_deferred_job_holds_back_the_next",
    ),
    "a settle forgets the expiry": by(
        ForgetsExpiry, "an_instant_of_expiry_is_kept", "a_redrive_leaves_the_expiry_alone"
    ),
    "a claim never says that there is more": by(
        NeverTellsOfMore,
        "it_says_when_the_next_token_comes",
        "it_says_that_there_is_more",
        "keys_that_wait_hide_no_other",
    ),
    "a claim always says that there is more": by(TellsOfMoreAlways, "it_says_nothing_where_nothing_was_left"),
    "one token too many": by(
        BurstsMore,
        "a_burst_is_had_at_once_and_no_more",
        "no_more_than_a_burst_is_saved_up",
        "claimers_at_once_share_the_tokens",
    ),
    "ten times the rate": by(TenTimesTheRate, "it_says_when_the_next_token_comes"),
    "no limit on what is in flight": by(
        HasRoom, "no_more_are_under_way", "tasks_never_pass_it", "claimers_at_once_share_the_room"
    ),
    "a bucket of each store": by(NewBuckets, "tokens_outlive_the_store"),
    "a pause of one process": by(
        PausesAlone, "another_processes_pause_holds_at_once", "it_outlives_the_store", "both_are_signals"
    ),
    "a pause without its end": by(
        PausesForGood, "a_pause_may_have_an_end", "its_end_is_in_the_numbers", "a_pause_that_is_over_is_none"
    ),
    "a resume of what is not paused": by(ResumesAnything, "a_resume_of_what_is_not_paused_does_nothing"),
    "delays of other jobs": by(
        ShiftsDelays, "each_delay_is_that_of_its_job", "delays_are_not_moved_by_what_is_not_redriven"
    ),
    "rescheduled to now": by(ReschedulesToNow, "an_instant_is_set_as_it_is", "a_delay_counts_from_now"),
    "the smallest groups first": by(SmallestFirst, "the_largest_groups_come_first"),
    "anyone can drain": by(DrainsAnyone, "a_runner_that_is_gone_cannot_drain"),
    "the oldest runner first": by(OldestRunnerFirst, "the_youngest_come_first"),
    "the oldest act first": by(AuditsOldestFirst, "the_newest_entries_come_first"),
    "acts of all times": by(AuditsAll, "entries_since_an_instant_are_listed"),
    "an act never ends": by(NeverEnds, "its_count_is_written_as_it_goes_on"),
}
