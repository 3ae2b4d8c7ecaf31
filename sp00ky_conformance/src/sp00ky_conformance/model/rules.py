"""Run any store beside the memory store, step by step: there is never a difference.

TestMyStore = store_model(lambda options: MyStore(options))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar
from unittest import TestCase

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, consumes, initialize, invariant, multiple, rule

from sp00ky_conformance.model.breaker import BREAKER, BREAKER_EVENTS, RUNNERS, facts_of
from sp00ky_conformance.model.facts import facts_of_job, facts_of_stats
from sp00ky_conformance.model.job_in_both_stores import Claim, Pair
from sp00ky_conformance.model.operators import OperatorRules
from sp00ky_conformance.model.stores import BACKENDS
from sp00ky_conformance.store.harness import settlement
from sp00ky_core.gate.breaker import Breaker, BreakerEvent, change_after
from sp00ky_core.job.job import Job, JobStatus, NewJob
from sp00ky_core.job.outcome import THROTTLED, Delivered, Undelivered
from sp00ky_core.job.state_machine import Deferred, Event, Expired
from sp00ky_core.ports import JobQuery, SettleFate, StoreFactory
from sp00ky_core.stores.decisions import BEGINNING

__all__ = ["StoreModel", "store_model"]

T = TypeVar("T")

ENDS: Sequence[Event] = (
    Delivered(),
    Delivered(result={"ok": True}),
    Undelivered(name="http_status", code=503, reason="later", counts_as="unavailable"),
    Undelivered(name="invalid_payload", reason="never"),
    Expired(),
)


DEFERRALS: Sequence[Deferred] = tuple(
    Deferred(delay=0.0, outcome=outcome, waited=waited)
    for outcome in (None, Undelivered(name=THROTTLED, code=429, reason="slow down"))
    for waited in (0.0, 100_000.0)
)


class StoreModel(OperatorRules):
    """Drives a store and the memory store alike, and compares what they hold after each step."""

    jobs: Bundle[Any] = OperatorRules.jobs
    claims: Bundle[Any] = Bundle("claims")

    @initialize(target=jobs, backend=st.sampled_from(BACKENDS))
    def enqueue_first(self, backend: str) -> MultipleResults[Pair]:
        """Add jobs at the start, one of a higher priority, and some of one key."""
        first = self._enqueue(backend, None, 1, max_retries=1)
        urgent = self._enqueue(backend, None, 1, max_retries=1, priority=3)
        return multiple(*first, *urgent, *self._enqueue(backend, "a", 3, max_retries=1))

    @rule(
        target=jobs,
        backend=st.sampled_from(BACKENDS),
        dedup_key=st.sampled_from([None, None, "k", "l"]),
        max_retries=st.integers(0, 2),
        priority=st.sampled_from([0, 0, 1, 3]),
        ordering_key=st.sampled_from([None, "a", "b"]),
        count=st.integers(1, 3),
    )
    def enqueue(
        self, backend: str, ordering_key: str | None, count: int, **options: Any
    ) -> MultipleResults[Pair]:
        """Add a job, which may be there already, or some of one key."""
        return multiple(*self._enqueue(backend, ordering_key, count, **options))

    @rule(
        target=claims,
        slots=st.dictionaries(st.sampled_from(BACKENDS), st.integers(1, 3), min_size=1),
        runner=st.sampled_from(RUNNERS),
    )
    def claim(self, slots: dict[str, int], runner: str) -> MultipleResults[Claim]:
        """Claim; the same jobs in the same order within a backend, where the store keeps it."""
        if not self.real.capabilities.exact_order:
            slots = dict.fromkeys(slots, 1_000)
        wanted = {self.names[slot]: count for slot, count in slots.items()}
        real, reference = self.both(lambda store: store.claim(wanted, runner))
        by_number = {self.number(job.id): job for job in reference}
        assert sorted(self.number(job.id) for job in real) == sorted(by_number)
        read = [
            {name: facts_of(breaker) for name, breaker in claim.breakers.items()}
            for claim in (real, reference)
        ]
        assert read[0] == read[1]
        assert real.paused.keys() == reference.paused.keys()
        self.breakers.update({name: reference.breakers.get(name, Breaker()) for name in wanted})
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
        """Change a backend's breaker, as one who has seen its present state or has not."""
        name = self.names[backend]
        before = self.breakers.get(name, Breaker()) if seen else Breaker()
        change = change_after(name, before, event, BREAKER)
        if change is not None:
            real, reference = self.both(lambda store: store.change_breaker(change))
            assert (real.written, facts_of(real.breaker)) == (reference.written, facts_of(reference.breaker))
            self.breakers[name] = reference.breaker

    @rule(claim=consumes(claims), event=st.sampled_from([*ENDS, *DEFERRALS]), twice=st.booleans())
    def settle(self, claim: Claim, event: Event, twice: bool) -> None:
        """Settle a claim, a fresh one or a stale one, and perhaps again, as after a lost reply."""
        fate = self._settle(claim, event)
        if isinstance(event, Deferred) and fate is SettleFate.SETTLED:
            after = self.run(self.reference.get(claim.pair.reference))
            is_uncounted = after.status is JobStatus.PENDING and after.retries == claim.reference.retries
            self.attempts[claim.pair.number] -= is_uncounted
        if twice:
            self._settle(claim, event)

    @rule(runner=st.sampled_from(RUNNERS), kept=st.lists(jobs, max_size=3), is_dead=st.booleans())
    def leave(self, runner: str, kept: list[Pair], is_dead: bool) -> None:
        """Have a runner give back what it doesn't keep, or die."""
        if is_dead:
            self._lose(runner)
        else:
            self._release(runner, kept)

    @invariant()
    def both_hold_the_same(self) -> None:
        """Check that each job is in the same state in both, and that they are found in the same order."""
        query = JobQuery(limit=1_000)
        real, reference = self.both(lambda store: store.find(query))
        assert [self._seen(job) for job in real] == [self._seen(job) for job in reference]

    @invariant()
    def both_count_the_same(self) -> None:
        """Check that the numbers agree, but for ages."""
        real, reference = self.both(lambda store: store.stats())
        numbers = [
            {backend: facts_of_stats(stat) for backend, stat in stats.items()} for stats in (real, reference)
        ]
        assert numbers[0] == numbers[1]

    def _enqueue(self, backend: str, ordering_key: str | None, count: int, **options: Any) -> list[Pair]:
        if ordering_key is None:
            ordering_key, count = None, 1  # several would be due at once: either may be claimed first
        new_job = NewJob(
            path="/p",
            payload={"n": len(self.pairs)},
            backend=self.names[backend],
            ordering_key=ordering_key,
            **options,
        )
        real, reference = self.both(lambda store: store.add([new_job] * count))
        return list(map(self._pair_of, real, reference))

    def _pair_of(self, real: Job, reference: Job) -> Pair:
        existing = [pair for pair in self.pairs if pair.real == real.id or pair.reference == reference.id]
        if existing:
            assert existing == [Pair(existing[0].number, real.id, reference.id)]
            return existing[0]
        self.pairs.append(Pair(len(self.pairs), real.id, reference.id))
        return self.pairs[-1]

    def _settle(self, claim: Claim, event: Event) -> SettleFate:
        real = self.run(self.real.settle([settlement(claim.real, event)]))
        reference = self.run(self.reference.settle([settlement(claim.reference, event)]))
        assert [result.fate for result in real] == [result.fate for result in reference]
        return reference[0].fate

    def _release(self, runner: str, kept: list[Pair]) -> None:
        ids = [job_id for job in kept for job_id in (job.real, job.reference)]
        real, reference = self.both(lambda store: store.release(runner, keep=ids))
        released = sorted(map(self.number, real))
        assert released == sorted(map(self.number, reference))
        for number in released:
            self.attempts[number] -= 1

    def _lose(self, runner: str) -> None:
        real, reference = self.both(lambda store: store.reclaim({runner: BEGINNING}))
        assert sorted((self.number(result.job_id), result.transition.to) for result in real) == sorted(
            (self.number(result.job_id), result.transition.to) for result in reference
        )

    def _count_attempt(self, number: int) -> None:
        self.attempts[number] = self.attempts.get(number, 0) + 1
        job = self.run(self.reference.get(self.pairs[number].reference))
        assert self.attempts[number] <= 1 + job.max_retries

    def _seen(self, job: Job) -> dict[str, object]:
        assert job.created_at is not None
        assert job.updated_at is not None
        assert job.updated_at >= job.created_at
        return {"number": self.number(job.id), **facts_of_job(job)}


def store_model(make_store: StoreFactory, *, settings: hypothesis.settings | None = None) -> type[TestCase]:
    """Return the model of a store as a test case; pytest collects it under the name that you give it.

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
        max_examples=25, stateful_step_count=40, deadline=None
    )
    return case
