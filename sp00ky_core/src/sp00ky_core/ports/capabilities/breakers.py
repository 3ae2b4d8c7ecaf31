"""Promise that a backend's breaker is the whole fleet's."""

from __future__ import annotations

from typing import Protocol

from sp00ky_core.gate.breaker import BreakerChange
from sp00ky_core.ports.stats import BreakerResult


class Breakers(Protocol):
    """A store with ``capabilities.breakers``. Without it each runner's are its own.

    They know no probe then: when a pause ends, jobs are sent again.

    A claim reads the breakers of its backends, and returns them. A backend that is paused gives nothing. One
    whose breaker is open gives one job once its pause has passed, the probe, to the first caller: of the
    ``PROBE_WINDOW`` oldest due one whose path is among ``table.routes``, if there is one, for what can't be
    sent finds nothing out. The routes take turns (``route_in_turn``), for one of them alone may be without an
    answer: those with a job that has retries left, which is the one sent; at a ``risk_turn`` those without.
    Where the window is full, a ``shared`` store looks among the ``PROBE_LATEST`` of each priority that became
    due last, too. The breaker is half-open from then on, and the probe that caller's for
    ``table.probe_lease`` seconds, unless it is changed before; then another caller may take the next one.
    (This may be a second round trip.) A pause that is longer than ``table.longest_pause``, or a probe's lease
    than ``LONGEST_PROBE``, counts as over. None of this holds for a table whose ``breaker`` is False.
    """

    async def change_breaker(self, change: BreakerChange) -> BreakerResult:
        """Write a change if the breaker is still as it was before it, and say how it is now.

        Of several callers' changes that start from one state, one is written. One that isn't for half-open
        ends the probe; one that closes the breaker makes ``work_signal`` fire as new work does. A store that
        repeats it where a reply was lost says whether it has written it at all (``change.has_made``).
        """
