"""What each benchmark is given: the servers, how much to do, and who competes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import attrs

from benchmarks.peers import Peers
from benchmarks.postgres import Postgres
from benchmarks.report import Section

__all__ = ["Setting", "Benchmark"]


@attrs.frozen(kw_only=True)
class Setting:
    """One run's setting."""

    server: Postgres | None  # None: no benchmark that was chosen needs it
    peers: Peers | None  # None: ours alone
    short: bool = False  # a smoke test: everything is done, nothing of it says anything
    rounds: int = 5
    minutes: float = 10.0  # of churn

    @property
    def postgres(self) -> Postgres:
        """The server of the benchmarks on PostgreSQL."""
        if self.server is None:
            raise RuntimeError("this benchmark needs PostgreSQL, and none was started")
        return self.server

    def count(self, full: int, short: int) -> int:
        """So many, or only so many in a short run."""
        return short if self.short else full


Benchmark = Callable[[Setting], Coroutine[Any, Any, Section]]
