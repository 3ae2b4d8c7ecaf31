"""Say what each benchmark is given: the servers, how much to do, and who competes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import attrs

from benchmarks.on_postgres.server import Postgres
from benchmarks.peers.registry import PROGRAMS, Program
from benchmarks.report import Section

__all__ = ["Setting", "Benchmark"]


@attrs.frozen(kw_only=True)
class Setting:
    """One round's setting.

    Attributes:
        server: PostgreSQL; None: no benchmark that was chosen needs it.
        short: a smoke test: everything is done, and nothing of it says anything.
        rounds: of each contender, within one call of a benchmark.
        minutes: of churn.
        only: the contenders to measure; empty: all.
        without: those that can't take part.
    """

    server: Postgres | None = None
    short: bool = False
    rounds: int = 1
    minutes: float = 10.0
    only: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()

    @property
    def postgres(self) -> Postgres:
        """The server of the benchmarks on PostgreSQL."""
        if self.server is None:
            raise RuntimeError("this benchmark needs PostgreSQL, and none was started")
        return self.server

    def count(self, full: int, short: int) -> int:
        """Return so many, or only so many in a short run."""
        return short if self.short else full

    def programs(self, names: Iterable[str]) -> list[Program]:
        """Return those of the contenders that are wanted."""
        wanted = (name for name in names if not self.only or name in self.only)
        return [PROGRAMS[name] for name in wanted if name not in self.without]


Benchmark = Callable[[Setting], Coroutine[Any, Any, Section]]
