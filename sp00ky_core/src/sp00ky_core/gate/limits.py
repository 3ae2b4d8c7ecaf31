"""Remember until when a backend's limits leave nothing to be claimed."""

from __future__ import annotations

from collections.abc import Iterable

from sp00ky_core.ports import Claim
from sp00ky_core.runner.options import RunnerOptions

SHORTEST, LONGEST = 0.001, 0.25
"""Seconds until a claim that was cut off before it found a job is repeated; doubled each time."""


class Waits:
    """Backends for which nothing is to be claimed until a time, by the runner's clock."""

    def __init__(self, options: RunnerOptions) -> None:
        self._options = options
        self._until: dict[str, float] = {}

    def seconds(self, backend: str) -> float:
        """Return the seconds for which nothing is to be claimed for it."""
        return self._until[backend] - self._options.clock() if backend in self._until else 0.0

    def shortest(self) -> float:
        """Return the seconds until one of them may be claimed for; infinite: none has to wait."""
        waits = map(self.seconds, self._until)
        return min((each for each in waits if each > 0), default=float("inf"))


class Limits(Waits):
    """Backends of which a claim had to leave jobs, and when the next one may get some."""

    def __init__(self, options: RunnerOptions) -> None:
        super().__init__(options)
        self._futile: dict[str, float] = {}  # seconds, of those whose claims are cut off without a job

    def claimed(self, backends: Iterable[str], claim: Claim) -> None:
        """Take over what a claim found out."""
        if not (self._until or claim.retry_in):
            return  # as nearly always
        now, served = self._options.clock(), {job.backend for job in claim}
        for name in backends:
            self._until.pop(name, None)
            seconds = claim.retry_in.get(name)
            if seconds == 0 and name not in served:
                self._futile[name] = seconds = min(self._futile.get(name, SHORTEST / 2) * 2, LONGEST)
            else:
                self._futile.pop(name, None)
            if seconds:
                self._until[name] = now + seconds

    def forget(self, backend: str) -> None:
        """Note that one of its jobs has ended, so that another may be sent."""
        self._until.pop(backend, None)
