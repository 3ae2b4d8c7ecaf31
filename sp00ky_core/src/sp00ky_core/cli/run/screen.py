"""Follow a runner of this process, by its hooks: ``sp00ky run`` on a terminal, and nowhere else."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from shutil import get_terminal_size

import attrs
from rich.console import RenderableType

from sp00ky_core.cli.job_format import cause
from sp00ky_core.cli.screen import Meter, cell, count, grid
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.state_machine import Transition
from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.ports import Attempt

COLUMNS = ("backend", "in flight", "done/s", "done", "retried", "failed", "latest error", "")


@attrs.define
class Deliveries:
    """Counts what a runner does, for each backend."""

    _done: defaultdict[str, Meter] = attrs.field(factory=lambda: defaultdict(Meter))
    _ended: Counter[tuple[str, JobStatus]] = attrs.field(factory=Counter)
    _in_flight: Counter[str] = attrs.field(factory=Counter)
    _reasons: dict[str, str] = attrs.field(factory=dict)
    _states: dict[str, str] = attrs.field(factory=dict)

    @hookimpl
    def sp00ky_attempt_started(self, attempt: Attempt) -> None:
        """Count a request that is sent."""
        self._in_flight[attempt.backend.name] += 1

    @hookimpl
    def sp00ky_attempt_finished(self, attempt: Attempt) -> None:
        """Count a request that has ended."""
        self._in_flight[attempt.backend.name] -= 1

    @hookimpl
    def sp00ky_job_settled(self, job: Job, transition: Transition) -> None:
        """Count an outcome."""
        self._ended[job.backend, transition.to] += 1
        if transition.to is JobStatus.SUCCESS:
            self._done[job.backend].add()
            self._states.pop(job.backend, None)  # whichever process has closed its breaker
        if transition.error is not None:
            self._reasons[job.backend] = cause(transition.error)

    @hookimpl
    def sp00ky_breaker_changed(self, backend: str, state: str) -> None:
        """Note that a backend is unavailable, or back."""
        self._states[backend] = state

    def picture(self, backends: Collection[str]) -> RenderableType:
        """Draw a line for each backend."""
        return grid(COLUMNS, [self._row(name) for name in backends], get_terminal_size().columns)

    def _row(self, name: str) -> tuple[object, ...]:
        done, state = self._done[name], self._states.get(name, "closed")
        counts = (
            count(done.total, "green"),
            count(self._ended[name, JobStatus.PENDING], "yellow"),
            count(self._ended[name, JobStatus.FAILED], "red"),
        )
        reason = self._reasons.get(name, "")
        shown = "unavailable" if state == "open" else ""
        return (name, self._in_flight[name], done.per_second(), *counts, reason, cell(shown))
