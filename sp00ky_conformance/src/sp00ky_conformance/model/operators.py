"""Act on both stores as operators do: kill, retry, clear, reschedule, pause, resume."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, rule

from sp00ky_conformance.model.facts import LATER, facts_of_errors
from sp00ky_conformance.model.job_in_both_stores import Pair
from sp00ky_conformance.model.stores import BACKENDS, TwoStores
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.ports import OperatorFate, Store
from sp00ky_core.stores.transitions import clear, kill, reschedule, retry

__all__ = ["OperatorRules"]

DELAYS: Sequence[float] = (0.0, LATER.total_seconds())

PRIORITIES = st.sampled_from([None, 0, 1, 3])

BRIEFLY = 1e-6
"""Seconds of a pause that is over at the next look."""

RESUMED = -1.0
"""Stands for a resume, so that backends aren't paused most of the time."""

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class OperatorRules(TwoStores):
    """The rules of operators; ``StoreModel`` adds those of runners."""

    jobs: Bundle[Any] = Bundle("jobs")

    @rule(chosen=st.lists(jobs, min_size=1, max_size=3))
    def kill(self, chosen: list[Pair]) -> None:
        """Kill jobs, in whatever state."""
        self._operate(chosen, kill)

    @rule(
        chosen=st.lists(jobs, min_size=1, max_size=3),
        resend_unknown=st.booleans(),
        delay=st.sampled_from([None, *DELAYS]),
    )
    def retry(self, chosen: list[Pair], resend_unknown: bool, delay: float | None) -> None:
        """Retry jobs, in whatever state; one at a time, for of two with one key either may win."""
        delays = None if delay is None else [delay]
        for pair in chosen:
            fates = self._operate(
                [pair], lambda store, ids: retry(store, ids, resend_unknown=resend_unknown, delays=delays)
            )
            if fates == [OperatorFate.RETRIED]:
                self.attempts[pair.number] = 0

    @rule(chosen=st.lists(jobs, min_size=1, max_size=3))
    def clear(self, chosen: list[Pair]) -> None:
        """Clear jobs, in whatever state."""
        self._operate(chosen, clear)

    @rule(
        pair=jobs, changed=st.sampled_from(["first", 0.0, LATER.total_seconds(), None]), priority=PRIORITIES
    )
    def reschedule(self, pair: Pair, changed: str | float | None, priority: int | None) -> None:
        """Change when a job is due, perhaps so that it is before every other, or its priority."""
        self.rescheduled += 1
        is_first = changed == "first"
        change = Rescheduled(
            run_at=LONG_AGO - timedelta(days=self.rescheduled) if is_first else None,
            delay=None if isinstance(changed, str) else changed,
            priority=priority,
        )
        self._operate([pair], lambda store, ids: reschedule(store, ids, change))

    @rule(
        backend=st.sampled_from(BACKENDS),
        seconds=st.sampled_from([None, LATER.total_seconds(), *[BRIEFLY] * 2, *[RESUMED] * 4]),
        actor=st.sampled_from([None, "ann"]),
    )
    def pause(self, backend: str, seconds: float | None, actor: str | None) -> None:
        """Pause a backend, which may be paused, or resume it, which may not be."""
        name = self.names[backend]
        real, reference = self.both(
            lambda store: (
                store.resume(name) if seconds == RESUMED else store.pause(name, seconds=seconds, actor=actor)
            )
        )
        assert real == reference

    @invariant()
    def both_group_errors_alike(self) -> None:
        """Check that jobs are grouped by their last errors alike."""
        real, reference = self.both(lambda store: store.errors())
        assert facts_of_errors(real) == facts_of_errors(reference)

    def _operate(
        self, chosen: list[Pair], call: Callable[[Store, list[str]], Awaitable[list[Any]]]
    ) -> list[OperatorFate]:
        real = self.run(call(self.real, [job.real for job in chosen]))
        reference = self.run(call(self.reference, [job.reference for job in chosen]))
        assert [result.fate for result in real] == [result.fate for result in reference]
        return [result.fate for result in real]
