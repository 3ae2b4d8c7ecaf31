"""A stateful model: any store beside the memory store, step by step, and never a difference.

TestMyStore = store_model(lambda options: MyStore(options))
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from unittest import TestCase

import attrs
import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from sp00ky_core.breaker import Breaker, BreakerEvent, change_after
from sp00ky_core.ids import new_key
from sp00ky_core.job import Job, NewJob
from sp00ky_core.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.ports import (
    BreakerStats,
    JobQuery,
    JobTable,
    OperatorFate,
    Store,
    StoreFactory,
    StoreOptions,
)
from sp00ky_core.stores.memory import MemoryStore
from sp00ky_core.stores.selecting import BEGINNING
from sp00ky_core.testing.model_breaker import BREAKER, BREAKER_EVENTS, RUNNERS, facts_of
from sp00ky_core.testing.model_pairs import Claim, Pair, settlement_of

__all__ = ["StoreModel", "store_model"]

T = TypeVar("T")

BACKENDS = ("api", "mail")
OUTCOMES: Sequence[Outcome] = (
    Delivered(),
    Delivered(result={"ok": True}),
    Undelivered(name="http_status", code=503, reason="later"),
    Undelivered(name="invalid_payload", reason="never"),
)


class StoreModel(RuleBasedStateMachine):
    """Drives a store and the memory store alike, and compares what they hold after each step."""

    make_store: StoreFactory

    jobs = Bundle("jobs")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.Runner()
        self._folder = tempfile.TemporaryDirectory()
        suffix = new_key()[-12:]
        self.names = {each: f"{each}-{suffix}" for each in BACKENDS}  # breakers are kept by them
        options = StoreOptions(
            url="model://",
            tables=tuple(
                JobTable(backend=name, table=f"{each}_{suffix}") for each, name in self.names.items()
            ),
            directory=Path(self._folder.name),
        )
        self.real = type(self).make_store(options)
        self.reference: Store = MemoryStore(options)
        self.pairs: list[Pair] = []
        self.breakers: dict[str, Breaker] = {}  # as they were last seen
        self.attempts: dict[int, int] = {}  # since the last redrive, by the job's number
        self.run(self.real.open())
        self.run(self.real.migrate())

    def run(self, work: Awaitable[T]) -> T:
        """Await, outside of any event loop."""

        async def awaited() -> T:
            return await work

        return self._loop.run(awaited())

    def both(self, call: Callable[[Store], Awaitable[T]]) -> tuple[T, T]:
        """The same call on the store and on the memory store."""
        return self.run(call(self.real)), self.run(call(self.reference))

    def teardown(self) -> None:
        """Let go of the store and of its folder."""
        self.run(self.real.close())
        self._loop.close()
        self._folder.cleanup()

    def number(self, job_id: str) -> int:
        """Which job this is the id of, in either store."""
        return next(each.number for each in self.pairs if job_id in {each.real, each.reference})

    @initialize(target=jobs)
    def enqueue_first(self) -> Pair:
        """There is a job from the start."""
        return self._enqueue("api", None, 1)

    @rule(
        target=jobs,
        backend=st.sampled_from(BACKENDS),
        dedup_key=st.sampled_from([None, None, "k", "l"]),
        max_retries=st.integers(0, 2),
    )
    def enqueue(self, backend: str, dedup_key: str | None, max_retries: int) -> Pair:
        """Add a job, which may be there already."""
        return self._enqueue(backend, dedup_key, max_retries)

    @rule(
        target=claims,
        slots=st.dictionaries(st.sampled_from(BACKENDS), st.integers(1, 3), min_size=1),
        runner=st.sampled_from(RUNNERS),
    )
    def claim(self, slots: dict[str, int], runner: str) -> MultipleResults[Claim]:
        """Claim; the same jobs in the same order within a backend, where the store keeps it."""
        if not self.real.capabilities.exact_order:
            slots = dict.fromkeys(slots, 1_000)
        wanted = {self.names[each]: count for each, count in slots.items()}
        real, reference = self.both(lambda store: store.claim(wanted, runner))
        by_number = {self.number(job.id): job for job in reference}
        assert sorted(self.number(job.id) for job in real) == sorted(by_number)
        read = [
            {name: facts_of(each) for name, each in claim.breakers.items()} for claim in (real, reference)
        ]
        assert read[0] == read[1]
        self.breakers |= {name: reference.breakers.get(name, Breaker()) for name in wanted}
        for job in real:
            self._count_attempt(self.number(job.id))
        return multiple(
            *(
                Claim(self.pairs[number], job, by_number[number])
                for job in real
                for number in [self.number(job.id)]
            )
        )

    @rule(backend=st.sampled_from(BACKENDS), event=st.sampled_from(BREAKER_EVENTS), seen=st.booleans())
    def change_breaker(self, backend: str, event: BreakerEvent, seen: bool) -> None:
        """Something happens to a backend's breaker, by whoever has seen its present state or has not."""
        name = self.names[backend]
        before = self.breakers.get(name, Breaker()) if seen else Breaker()
        change = change_after(name, before, event, BREAKER)
        if change is not None:
            real, reference = self.both(lambda store: store.change_breaker(change))
            assert (real.written, facts_of(real.breaker)) == (reference.written, facts_of(reference.breaker))
            self.breakers[name] = reference.breaker

    @rule(claim=claims, outcome=st.sampled_from(OUTCOMES))
    def settle(self, claim: Claim, outcome: Outcome) -> None:
        """Settle a claim: a fresh one, a stale one, or one that was settled before."""
        self._settle(claim, outcome)

    @rule(claim=consumes(claims), outcome=st.sampled_from(OUTCOMES))
    def settle_twice(self, claim: Claim, outcome: Outcome) -> None:
        """Settle a claim, and again, as after a lost reply."""
        self._settle(claim, outcome)
        self._settle(claim, outcome)

    @rule(runner=st.sampled_from(RUNNERS), kept=st.sets(st.integers(0, 5), max_size=3))
    def release(self, runner: str, kept: set[int]) -> None:
        """Give back what a runner doesn't keep."""
        ids = [job_id for each in self.pairs if each.number in kept for job_id in (each.real, each.reference)]
        real, reference = self.both(lambda store: store.release(runner, keep=ids))
        released = sorted(map(self.number, real))
        assert released == sorted(map(self.number, reference))
        for number in released:
            self.attempts[number] -= 1

    @rule(runner=st.sampled_from(RUNNERS))
    def lose(self, runner: str) -> None:
        """Reclaim a dead runner's jobs."""
        real, reference = self.both(lambda store: store.reclaim({runner: BEGINNING}))
        assert sorted((self.number(each.job_id), each.transition.to) for each in real) == sorted(
            (self.number(each.job_id), each.transition.to) for each in reference
        )

    @rule(chosen=st.lists(jobs, min_size=1, max_size=3))
    def kill(self, chosen: list[Pair]) -> None:
        """Kill jobs, in whatever state."""
        self._operate(chosen, lambda store, ids: store.kill(ids))

    @rule(chosen=st.lists(jobs, min_size=1, max_size=3), resend_unknown=st.booleans())
    def redrive(self, chosen: list[Pair], resend_unknown: bool) -> None:
        """Redrive jobs, in whatever state; one at a time, for of two with one key either may win."""
        for pair in chosen:
            fates = self._operate(
                [pair], lambda store, ids: store.redrive(ids, resend_unknown=resend_unknown)
            )
            if fates == [OperatorFate.REDRIVEN]:
                self.attempts[pair.number] = 0

    @rule(chosen=st.lists(jobs, min_size=1, max_size=3))
    def clear(self, chosen: list[Pair]) -> None:
        """Clear jobs, in whatever state."""
        self._operate(chosen, lambda store, ids: store.clear(ids))

    @invariant()
    def both_hold_the_same(self) -> None:
        """Every job is in the same state in both, and they are found in the same order."""
        query = JobQuery(limit=1_000)
        real, reference = self.both(lambda store: store.find(query))
        assert [self._seen(job) for job in real] == [self._seen(job) for job in reference]

    @invariant()
    def both_count_the_same(self) -> None:
        """The numbers agree, but for ages."""
        real, reference = self.both(lambda store: store.stats())
        numbers = [
            {
                backend: attrs.evolve(each, oldest_due_s=None, breaker=BreakerStats(state=each.breaker.state))
                for backend, each in stats.items()
            }
            for stats in (real, reference)
        ]
        assert numbers[0] == numbers[1]

    def _enqueue(self, backend: str, dedup_key: str | None, max_retries: int) -> Pair:
        new_job = NewJob(
            path="/p",
            payload={"n": len(self.pairs)},
            backend=self.names[backend],
            dedup_key=dedup_key,
            max_retries=max_retries,
        )
        (real,), (reference,) = self.both(lambda store: store.add([new_job]))
        existing = [each for each in self.pairs if each.real == real.id or each.reference == reference.id]
        if existing:
            assert existing == [Pair(existing[0].number, real.id, reference.id)]
            return existing[0]
        self.pairs.append(Pair(len(self.pairs), real.id, reference.id))
        return self.pairs[-1]

    def _settle(self, claim: Claim, outcome: Outcome) -> None:
        real = self.run(self.real.settle([settlement_of(claim.real, outcome)]))
        reference = self.run(self.reference.settle([settlement_of(claim.reference, outcome)]))
        assert [each.fate for each in real] == [each.fate for each in reference]

    def _operate(
        self, chosen: list[Pair], call: Callable[[Store, list[str]], Awaitable[list[Any]]]
    ) -> list[OperatorFate]:
        real = self.run(call(self.real, [each.real for each in chosen]))
        reference = self.run(call(self.reference, [each.reference for each in chosen]))
        assert [each.fate for each in real] == [each.fate for each in reference]
        return [each.fate for each in real]

    def _count_attempt(self, number: int) -> None:
        self.attempts[number] = self.attempts.get(number, 0) + 1
        job = self.run(self.reference.get(self.pairs[number].reference))
        assert self.attempts[number] <= 1 + job.max_retries

    def _seen(self, job: Job) -> dict[str, object]:
        entries = [(each.attempt, each.code, each.name, each.runner_id) for each in job.errors]
        assert job.created_at is not None
        assert job.updated_at is not None
        assert job.updated_at >= job.created_at
        return {
            "number": self.number(job.id),
            "status": job.status,
            "retries": job.retries,
            "epoch": job.lease_epoch,
            "errors": entries,
            "result": job.result,
            "payload": job.payload,
            "runner": job.runner_id,
            "leased": job.lease_until is not None,
            "dedup_key": job.dedup_key,
            "defect": job.defect,
        }


def store_model(make_store: StoreFactory, *, settings: hypothesis.settings | None = None) -> type[TestCase]:
    """The model of a store as a test case; pytest collects it under the name that you give it.

    Args:
        make_store: makes a new, empty store for the tables that it is given; ``options.directory`` is an
            empty folder.
        settings: how long and how deep to look; the default takes some seconds.
    """

    class Model(StoreModel):
        pass

    Model.make_store = staticmethod(make_store)
    case: type[TestCase] = Model.TestCase
    case.settings = settings or hypothesis.settings(  # type: ignore[attr-defined]  # Hypothesis' own way
        max_examples=30, stateful_step_count=25, deadline=None
    )
    return case
