"""Faults on demand: a store and a transport that fail as real ones do, by a script or at random.

What can be made to fail for real is better tested so; these are for the rest: a reply that is lost after the
write went through, a call that hangs at a chosen moment.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any, TypeVar, cast

import attrs

from sp00ky_conformance.steering_faults import FaultySteering
from sp00ky_conformance.store.harness import WholeStore
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.gate.breaker import BreakerChange
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.job.outcome import CONNECT, RESET, Outcome, Undelivered
from sp00ky_core.ports import (
    NO_INFO,
    Attempt,
    BackendStats,
    BreakerResult,
    Claim,
    Finding,
    GroupBy,
    JobFilter,
    JobGroup,
    JobQuery,
    MigrationStep,
    OverdueClaim,
    RunnerBeat,
    RunnerInfo,
    Settlement,
    SettleResult,
    Statement,
    Statements,
    Store,
    StoreCapabilities,
    Transport,
)

__all__ = ["Fault", "Faults", "FaultyStore", "FaultyTransport", "Scripted", "Seeded"]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Fault:
    """A fault of one call.

    Attributes:
        lost_reply: The call goes through, and fails; else it doesn't go through.
        held_until: The call begins when this is set.
        fails: With ``held_until``: whether it fails too.
    """

    lost_reply: bool = False
    held_until: asyncio.Event | None = None
    fails: bool = True


Faults = Callable[[str], Fault | None]
"""The fault of the next call of a method; None: it goes well."""


class Scripted:
    """Faults in the order in which they were put; a call without one goes well."""

    def __init__(self) -> None:
        self._faults: dict[str, deque[Fault | None]] = {}

    def put(self, method: str, *faults: Fault | None) -> None:
        """Queue faults for the coming calls of a method, in turn; None lets one pass."""
        self._faults.setdefault(method, deque()).extend(faults)

    def left(self) -> int:
        """Count the faults that haven't happened yet."""
        return sum(1 for faults in self._faults.values() for fault in faults if fault is not None)

    def __call__(self, method: str) -> Fault | None:
        """Return the next one."""
        faults = self._faults.get(method)
        return faults.popleft() if faults else None


class Seeded:
    """Faults at random, the same for the same seed; half of them lose the reply."""

    def __init__(self, seed: int, *, rate: float, methods: Collection[str] | None = None) -> None:
        self._random = Random(seed)  # noqa: S311  # repeatable, and no secret
        self._rate = rate
        self._methods = methods

    def __call__(self, method: str) -> Fault | None:
        """Return the next one."""
        if self._methods is not None and method not in self._methods:
            return None
        if self._random.random() >= self._rate:
            return None
        return Fault(lost_reply=self._random.random() < 0.5)  # a fair coin


class FaultyStore(FaultySteering):
    """A store that fails with ``StoreUnavailable``, before or after its call has gone through."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = cast("WholeStore", store)  # what it lacks isn't called
        self._faults = faults

    async def _call(self, method: str, call: Callable[[], Awaitable[T]]) -> T:
        fault = self._faults(method)
        if fault is None:
            return await call()
        if fault.held_until is not None:
            await fault.held_until.wait()
        result = await call() if fault.lost_reply or not fault.fails else None
        if fault.fails:
            cause = "the reply was lost" if fault.lost_reply else "no connection"
            raise StoreUnavailable(store=self.location, problem=f"{cause} (injected into {method})")
        return result  # type: ignore[return-value]  # a call that doesn't fail was made

    @property
    def capabilities(self) -> StoreCapabilities:
        """See ``Store.capabilities``."""
        return self._store.capabilities

    @property
    def location(self) -> str:
        """See ``Store.location``."""
        return self._store.location

    async def open(self) -> None:
        """See ``Store.open``."""
        await self._call("open", self._store.open)

    async def close(self) -> None:
        """See ``Store.close``; never fails."""
        await self._store.close()

    async def migrate(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migrate``."""
        return await self._call("migrate", lambda: self._store.migrate(repair=repair))

    async def migration(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migration``."""
        return await self._call("migration", lambda: self._store.migration(repair=repair))

    async def check(self) -> list[Finding]:
        """See ``Checks.check``."""
        return await self._call("check", self._store.check)

    async def add(self, new_jobs: Sequence[NewJob], *, connection: object = None) -> list[Job]:
        """See ``Store.add``."""
        return await self._call("add", lambda: self._store.add(new_jobs, connection=connection))

    def statement(self, new_job: NewJob) -> Statement:
        """See ``Statements.statement``; no call of the database, so it has no faults."""
        return cast("Statements", self._store).statement(new_job)

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """See ``Store.claim``."""
        return await self._call("claim", lambda: self._store.claim(slots_by_backend, runner_id))

    async def change_breaker(self, change: BreakerChange) -> BreakerResult:
        """See ``Breakers.change_breaker``."""
        return await self._call("change_breaker", lambda: self._store.change_breaker(change))

    async def next_due(self, backends: Collection[str]) -> float | None:
        """See ``Store.next_due``."""
        return await self._call("next_due", lambda: self._store.next_due(backends))

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""
        return await self._call("settle", lambda: self._store.settle(settlements))

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        """See ``Store.release``."""
        return await self._call("release", lambda: self._store.release(runner_id, keep=keep))

    async def beat(self, runner_id: str, info: RunnerInfo = NO_INFO) -> Mapping[str, RunnerBeat]:
        """See ``Store.beat``."""
        return await self._call("beat", lambda: self._store.beat(runner_id, info))

    async def overdue(self, runners: Collection[str], *, limit: int = 500) -> list[OverdueClaim]:
        """See ``OverdueClaims.overdue``."""
        return await self._call("overdue", lambda: self._store.overdue(runners, limit=limit))

    async def reclaim(
        self,
        dead_runners: Mapping[str, datetime],
        *,
        beating: Collection[str] = (),
        overdue: Collection[OverdueClaim] = (),
        limit: int = 500,
    ) -> list[Settlement]:
        """See ``Store.reclaim``."""
        return await self._call(
            "reclaim",
            lambda: self._store.reclaim(dead_runners, beating=beating, overdue=overdue, limit=limit),
        )

    async def delete(self, job_ids: Sequence[str]) -> Mapping[str, str | None]:
        """See ``Store.delete``."""
        return await self._call("delete", lambda: self._store.delete(job_ids))

    async def count(self, conditions: JobFilter) -> int:
        """See ``Counts.count``."""
        return await self._call("count", lambda: self._store.count(conditions))

    async def groups(self, by: GroupBy, **asked: Any) -> list[JobGroup]:
        """See ``Counts.groups``."""
        return await self._call("groups", lambda: self._store.groups(by, **asked))

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """See ``Clears.clear_matching``."""
        return await self._call("clear_matching", lambda: self._store.clear_matching(conditions, limit=limit))

    async def ids_starting_with(self, prefix: str, *, limit: int = 2) -> list[str]:
        """See ``ShortIds.ids_starting_with``."""
        return await self._call(
            "ids_starting_with", lambda: self._store.ids_starting_with(prefix, limit=limit)
        )

    async def prune(self, *, limit: int = 1_000, spared: Collection[str] = ()) -> int:
        """See ``Retention.prune``."""
        return await self._call("prune", lambda: self._store.prune(limit=limit, spared=spared))

    async def get(self, job_id: str, *, connection: object = None) -> Job:
        """See ``Store.get``."""
        return await self._call("get", lambda: self._store.get(job_id, connection=connection))

    async def find(self, query: JobQuery, *, connection: object = None) -> list[Job]:
        """See ``Store.find``."""
        return await self._call("find", lambda: self._store.find(query, connection=connection))

    async def stats(self, *, limit: int | None = None) -> Mapping[str, BackendStats]:
        """See ``Store.stats``."""
        return await self._call("stats", lambda: self._store.stats(limit=limit))

    def work_signal(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``; never fails."""
        return self._store.work_signal()

    def watch(self, query: JobQuery, *, history: int | None = None) -> AsyncGenerator[Job, None]:
        """See ``Watch.watch``; never fails."""
        return self._store.watch(query) if history is None else self._store.watch(query, history=history)


class FaultyTransport:
    """A transport whose ``deliver`` doesn't get through (``connect``), or loses the answer (``reset``)."""

    def __init__(self, transport: Transport, faults: Faults) -> None:
        self._transport = transport
        self._faults = faults

    async def open(self) -> None:
        """See ``Transport.open``."""
        await self._transport.open()

    async def close(self) -> None:
        """See ``Transport.close``."""
        await self._transport.close()

    async def deliver(self, attempt: Attempt) -> Outcome:
        """See ``Transport.deliver``."""
        fault = self._faults("deliver")
        if fault is None:
            return await self._transport.deliver(attempt)
        if fault.held_until is not None:
            await fault.held_until.wait()
        if fault.lost_reply or not fault.fails:
            outcome = await self._transport.deliver(attempt)
            return (
                Undelivered(name=RESET, reason="the answer was lost (injected)") if fault.fails else outcome
            )
        return Undelivered(name=CONNECT, reason="no connection (injected)")
