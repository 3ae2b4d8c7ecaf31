"""The breakers of the memory store: one row a backend, as every store keeps them."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs

from sp00ky_core.breaker import Breaker, BreakerChange, BreakerState
from sp00ky_core.job import Job
from sp00ky_core.ports import BreakerResult, BreakerStats
from sp00ky_core.stores.memory_table import MemoryTable

__all__ = ["MemoryBreakers"]


@attrs.frozen(kw_only=True)
class _Row:
    is_open: bool = False
    failures: int = 0
    paused_until: datetime | None = None
    probe_runner: str | None = None
    probe_until: datetime | None = None


class MemoryBreakers:
    """Reads and changes breakers; ``now`` is the store's clock."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}

    def read(self, backend: str, now: datetime) -> Breaker:
        """A backend's breaker."""
        row = self._rows.get(backend, _Row())
        probe_for = _left(row.probe_until, now)
        state = BreakerState.CLOSED
        if row.is_open:
            state = BreakerState.HALF_OPEN if probe_for > 0 else BreakerState.OPEN
        return Breaker(
            state=state,
            failures=row.failures,
            paused_for=_left(row.paused_until, now),
            probe_runner=row.probe_runner,
            probe_for=probe_for,
        )

    def claim(
        self, table: MemoryTable, slots: int, runner_id: str, now: datetime
    ) -> tuple[list[Job], Breaker]:
        """Take what a table's breaker lets through; with it, the breaker as it is then."""
        backend = table.options.backend
        breaker = self.read(backend, now)
        if breaker.lets_through or not table.options.breaker:
            return table.take_due(slots, runner_id, now), breaker
        probe = table.take_probe(runner_id, now) if breaker.wants_probe else None
        if probe is None:
            return [], breaker
        until = now + timedelta(seconds=table.options.probe_lease)
        self._rows[backend] = attrs.evolve(self._rows[backend], probe_runner=runner_id, probe_until=until)
        return [probe], self.read(backend, now)

    def change(self, change: BreakerChange, now: datetime) -> BreakerResult:
        """See ``Store.change_breaker``."""
        row = self._rows.get(change.backend, _Row())
        before = change.before
        guard = (before.state is not BreakerState.CLOSED, before.failures, before.probe_runner)
        written = guard == (row.is_open, row.failures, row.probe_runner)
        if written:
            self._rows[change.backend] = _changed(row, change, now)
        return BreakerResult(written=written, breaker=self.read(change.backend, now))

    def stats(self, backend: str, now: datetime) -> BreakerStats:
        """A backend's breaker in ``Store.stats``."""
        breaker = self.read(backend, now)
        return BreakerStats(state=breaker.state.value, paused_for_s=breaker.paused_for)


def _changed(row: _Row, change: BreakerChange, now: datetime) -> _Row:
    keeps_probe = change.to is BreakerState.HALF_OPEN
    pause = now + timedelta(seconds=change.pause)
    return _Row(
        is_open=change.to is not BreakerState.CLOSED,
        failures=change.failures,
        paused_until=pause if row.paused_until is None else max(row.paused_until, pause),
        probe_runner=row.probe_runner if keeps_probe else None,
        probe_until=row.probe_until if keeps_probe else None,
    )


def _left(until: datetime | None, now: datetime) -> float:
    return 0.0 if until is None else max((until - now).total_seconds(), 0.0)
