"""Keep the breakers of the memory store: one row a backend, as in every store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sp00ky_core.breaker import Breaker, BreakerChange
from sp00ky_core.breaker.row import breaker_of, changed, fits
from sp00ky_core.job import Job
from sp00ky_core.ports import BreakerResult, BreakerStats
from sp00ky_core.stores.memory.table import MemoryTable

__all__ = ["MemoryBreakers"]


class MemoryBreakers:
    """Reads and changes breakers; ``now`` is the store's clock."""

    def __init__(self) -> None:
        self._rows: dict[str, Mapping[str, Any]] = {}

    def read(self, backend: str, now: datetime) -> Breaker:
        """Return a backend's breaker."""
        return breaker_of(self._rows.get(backend, {}), now)

    def claim(
        self, table: MemoryTable, slots: int, runner_id: str, now: datetime
    ) -> tuple[list[Job], Breaker]:
        """Take what a table's breaker lets through; with it, the breaker as it is then."""
        backend = table.options.backend
        breaker = self.read(backend, now)
        if breaker.lets_through or not table.options.breaker:
            return table.take_due(slots, runner_id, now), breaker
        probe = table.take_probe(runner_id, now) if breaker.wants_probe and slots > 0 else None
        if probe is None:
            return [], breaker
        until = now + timedelta(seconds=table.options.probe_lease)
        self._rows[backend] = {**self._rows[backend], "probe_runner": runner_id, "probe_until": until}
        return [probe], self.read(backend, now)

    def change(self, change: BreakerChange, now: datetime) -> BreakerResult:
        """See ``Store.change_breaker``."""
        row = self._rows.get(change.backend, {})
        written = fits(row, change.before)
        if written:
            self._rows[change.backend] = changed(row, change, now)
        return BreakerResult(written=written, breaker=self.read(change.backend, now))

    def stats(self, backend: str, now: datetime) -> BreakerStats:
        """Return a backend's breaker for ``Store.stats``."""
        breaker = self.read(backend, now)
        return BreakerStats(state=breaker.state.value, paused_for_s=breaker.paused_for)
