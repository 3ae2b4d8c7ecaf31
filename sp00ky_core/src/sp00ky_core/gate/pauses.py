"""Remember which backends an operator has paused, as this runner's claims found them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from sp00ky_core.errors import BackendPaused
from sp00ky_core.gate.limits import Waits
from sp00ky_core.ports import BackendStats, Claim
from sp00ky_core.runner.options import RunnerOptions

logger: logging.Logger = logging.getLogger(__name__)


LOOK_AGAIN = 0.05
"""Seconds between two looks at a paused backend while signals come in: one may be of its resume."""


class Pauses(Waits):
    """Backends for which nothing is claimed and started, until the pause may be over.

    Attributes:
        paused: Those that the last claim of each found paused, and when that was.
    """

    def __init__(self, options: RunnerOptions) -> None:
        super().__init__(options)
        self.paused: dict[str, float] = {}

    def signal(self) -> None:
        """There may be work; it may be because one is resumed."""
        for backend, looked_at in self.paused.items():
            self._until[backend] = min(self._until[backend], looked_at + LOOK_AGAIN)

    def claimed(self, backends: Iterable[str], claim: Claim) -> None:
        """Take over what a claim found; one that it found paused is claimed for again after the poll."""
        if not (self.paused or claim.paused):
            return  # as nearly always
        now, served = self._options.clock(), {job.backend for job in claim}
        for name in backends:
            seconds = claim.paused.get(name)
            if seconds is None and name in claim.retry_in and name not in served:
                continue  # the claim had to pass, and doesn't know
            if seconds is None:
                self._forget(name)
                continue
            if name not in self.paused:
                logger.info("backend %s is paused by an operator: its jobs wait", name)
            self.paused[name] = now
            self._until[name] = now + min(seconds, self._options.poll)

    def _forget(self, backend: str) -> None:
        if self.paused.pop(backend, None) is not None:
            del self._until[backend]
            logger.info("backend %s is resumed: its jobs are delivered", backend)


def refuse_paused(stats: Mapping[str, BackendStats]) -> None:
    """Raise ``BackendPaused`` where there is nothing left to do but for backends that are paused."""
    left = {name: each for name, each in stats.items() if each.pending + each.processing}
    if all(each.paused is not None and not each.processing for each in left.values()):
        raise BackendPaused(backends=tuple(left), jobs=sum(each.pending for each in left.values()))
