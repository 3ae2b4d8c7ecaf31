"""Describe a breaker: its state, what happens to it, and a change of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

import attrs

__all__ = [
    "Breaker",
    "BreakerChange",
    "BreakerEvent",
    "BreakerState",
    "Failed",
    "Answered",
    "ProbeFailed",
    "ProbeAnswered",
    "ProbeWithoutNews",
    "LONGEST_INTERVAL",
    "LONGEST_PAUSE",
    "PAUSE_MARGIN",
]


LONGEST_INTERVAL = 30.0
"""Seconds between two probes, at most: the interval doubles up to it."""

LONGEST_PAUSE = 10 * 365 * 86_400.0  # ten years: what every database's clock can add
"""Seconds for which a backend may be paused at most."""

PAUSE_MARGIN = 10.0
"""Seconds that a claim may have begun before a pause, or a probe's lease, was written that it reads."""


class BreakerState(StrEnum):
    """Whether a backend's jobs are sent."""

    CLOSED = "closed"  # as usual
    OPEN = "open"  # not at all, until the pause has passed and a runner takes the probe
    HALF_OPEN = "half_open"  # one, the probe


@attrs.frozen(kw_only=True)
class Breaker:
    """A breaker as it was read; a backend that never failed has this one.

    Attributes:
        state: Whether jobs are sent.
        failures: In a row; once it is open, failed probes count on from what opened it.
        paused_for: Seconds from when it was read; a closed one may be paused too.
        probe_runner: Who has taken the latest probe.
        probe_for: Seconds for which it is still that runner's alone.
    """

    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    paused_for: float = 0.0
    probe_runner: str | None = None
    probe_for: float = 0.0

    @property
    def lets_through(self) -> bool:
        """Whether jobs are claimed as usual."""
        return self.state is BreakerState.CLOSED and self.paused_for <= 0

    @property
    def wants_probe(self) -> bool:
        """Whether whoever comes first may take the probe."""
        return self.state is BreakerState.OPEN and self.paused_for <= 0

    @property
    def silent_for(self) -> float:
        """Seconds until another job may be sent, if no runner changes it before."""
        is_probed = self.state is BreakerState.HALF_OPEN
        return max(self.paused_for, self.probe_for if is_probed else 0.0)

    def probed_by(self, probe_runner: str, seconds: float) -> Self:
        """Return it as it is once a runner has taken the probe, for so many seconds."""
        state = BreakerState.HALF_OPEN
        return attrs.evolve(self, state=state, probe_runner=probe_runner, probe_for=seconds)

    def after(self, seconds: float) -> Self:
        """Return it as it is so much later, if no runner changes it."""
        probe_for = max(self.probe_for - seconds, 0.0)
        is_over = self.state is BreakerState.HALF_OPEN and probe_for <= 0
        return attrs.evolve(
            self,
            state=BreakerState.OPEN if is_over else self.state,
            paused_for=max(self.paused_for - seconds, 0.0),
            probe_for=probe_for,
        )


@attrs.frozen(kw_only=True)
class _News:
    retry_after: float = 0.0  # seconds for which the backend asked to be left alone


@attrs.frozen(kw_only=True)
class Failed(_News):
    """An attempt found the backend unavailable."""


@attrs.frozen(kw_only=True)
class Answered(_News):
    """An attempt was answered, well or badly."""


@attrs.frozen(kw_only=True)
class ProbeFailed(_News):
    """The probe found the backend still unavailable.

    Attributes:
        runner_id: The runner's id.
        took: Seconds; the interval runs from when the probe was sent.
    """

    runner_id: str
    took: float = 0.0


@attrs.frozen(kw_only=True)
class ProbeAnswered(_News):
    """The probe was answered, well or badly.

    Attributes:
        runner_id: The runner's id.
    """

    runner_id: str


@attrs.frozen(kw_only=True)
class ProbeWithoutNews:
    """The probe was never sent, or cut off.

    Attributes:
        runner_id: The runner's id.
    """

    runner_id: str


BreakerEvent = Failed | Answered | ProbeFailed | ProbeAnswered | ProbeWithoutNews
"""Anything that may happen to a breaker."""


@attrs.frozen(kw_only=True)
class BreakerChange:
    """A decision as data; a store applies it if the breaker is still as it was ``before``.

    Attributes:
        backend: The backend's name.
        before: Guards: whether it is closed, its failures, its probe's runner.
        to: Half-open: its runner keeps the probe; else the probe ends.
        failures: The failures in a row, as they are then.
        pause: Seconds: paused_until = now + pause, unless it is later already.
    """

    backend: str
    before: Breaker
    to: BreakerState
    failures: int
    pause: float = 0.0

    @property
    def opens(self) -> bool:
        """Whether jobs that were sent are sent no more."""
        return self.before.state is BreakerState.CLOSED and self.to is not BreakerState.CLOSED

    @property
    def closes(self) -> bool:
        """Whether jobs that weren't sent are sent again."""
        return self.before.state is not BreakerState.CLOSED and self.to is BreakerState.CLOSED

    @property
    def ends_probe(self) -> bool:
        """Whether a runner had the probe and has it no more."""
        return self.before.probe_runner is not None and self.to is not BreakerState.HALF_OPEN

    def of(self, breaker: Breaker) -> Breaker:
        """Return a breaker as it is once this change is made."""
        keeps_probe = self.to is BreakerState.HALF_OPEN
        return Breaker(
            state=self.to,
            failures=self.failures,
            paused_for=max(breaker.paused_for, self.pause),
            probe_runner=breaker.probe_runner if keeps_probe else None,
            probe_for=breaker.probe_for if keeps_probe else 0.0,
        )

    def has_made(self, breaker: Breaker) -> bool:
        """Whether a breaker is as this change leaves it, so that a try whose reply was lost may have made it.

        Another runner's same change looks the same: it is to be asked only where a reply was lost.
        """
        probe_runner = self.before.probe_runner if self.to is BreakerState.HALF_OPEN else None
        left = (self.to, self.failures, probe_runner)
        return left == (breaker.state, breaker.failures, breaker.probe_runner)
