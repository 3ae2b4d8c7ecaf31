"""What an outage has cost, and what it must not. Pure."""

from collections.abc import Sequence

import attrs

__all__ = ["Mark", "BreakerMove", "Outage", "outage_of", "FAILURES"]

FAILURES = 3
"""In a row, to open a breaker; as in sp00ky.yml where it says nothing."""

LONGEST_INTERVAL = 30.0
LATE = 2.0
"""Seconds that a probe may come late, on a machine that is busy."""

KEPT = 0.8
"""Of its rate, what another backend must keep."""


@attrs.frozen(kw_only=True)
class Mark:
    """What a runner reported: an attempt ``started`` or ``finished``, a breaker ``open`` or ``closed``."""

    at: float
    backend: str
    what: str


@attrs.frozen(kw_only=True)
class BreakerMove:
    """A change of a breaker's row, as the database has recorded it."""

    at: float
    backend: str
    failures: int
    takes_probe: bool


@attrs.frozen(kw_only=True)
class Outage:
    """One outage of one backend."""

    kind: str
    seconds: float
    waiting: int  # jobs pending during it
    state: str  # of its breaker, by `jobs stats` in its midst
    in_flight: int  # attempts, when it began
    sent: int  # attempts that began during it
    probes: int
    failed: int  # jobs that ended so and had none but their first attempt
    failed_early: int  # jobs that ended so and might have been retried
    resumed_after: float  # seconds from its end to the first answer
    interval: float  # seconds between probes at its end
    told: Sequence[str]  # what the hook was told, by all runners together
    rate_before: float  # of the backend beside it, in jobs a second
    rate_during: float

    def complaints(self) -> list[str]:
        """What should not have happened."""
        most = self.in_flight + FAILURES + self.probes
        problems = {
            f"{self.failed_early} jobs failed that might have been retried": self.failed_early > 0,
            f"{self.sent} requests were sent during it, more than {most}": self.sent > most,
            f"delivery went on after {self.resumed_after:.1f} s": self.resumed_after > self.interval + LATE,
            f"the hook was told {self.told}": list(self.told) != ["open", "closed"],
            f"`jobs stats` said {self.state}": self.state not in {"open", "half_open"},
            f"the other backend fell to {self.rate_during:.1f} jobs/s from {self.rate_before:.1f}": (
                self.rate_during < KEPT * self.rate_before
            ),
        }
        return [f"{self.kind}: {text}" for text, is_so in problems.items() if is_so]


def outage_of(
    kind: str,
    *,
    since: float,
    until: float,
    marks: Sequence[Mark],
    moves: Sequence[BreakerMove],
    answered: Sequence[float],
    others: Sequence[float],
    others_since: float,
    **shown: int | str,
) -> Outage:
    """Count; the backend is named as the kind of its outage.

    Args:
        kind: of the outage.
        since: its begin.
        until: its end.
        marks: of all runners.
        moves: of all breakers.
        answered: when the backend took a job.
        others: when the backend beside it took a job...
        others_since: ...of which those from this instant to the begin are what it is compared with.
        shown: what the store says of the backend's jobs.
    """
    own = sorted((mark for mark in marks if mark.backend == kind), key=lambda mark: mark.at)
    during = [move for move in moves if move.backend == kind and since <= move.at < until]
    failures = max((move.failures for move in during), default=FAILURES)
    started = [mark.at for mark in own if mark.what == "started"]
    ended = [mark.at for mark in own if mark.what == "finished"]
    return Outage(
        kind=kind,
        seconds=until - since,
        in_flight=_count(started, 0, since) - _count(ended, 0, since),
        sent=_count(started, since, until),
        probes=sum(move.takes_probe for move in during),
        resumed_after=min((at for at in answered if at >= until), default=float("inf")) - until,
        interval=min(LONGEST_INTERVAL, 2.0 ** (failures - FAILURES)),
        told=[mark.what for mark in own if mark.what in {"open", "closed"}],
        rate_before=_count(others, others_since, since) / (since - others_since),
        rate_during=_count(others, since, until) / (until - since),
        **shown,  # type: ignore[arg-type]  # named and typed as the fields are
    )


def _count(instants: Sequence[float], since: float, until: float) -> int:
    return sum(since <= at < until for at in instants)
