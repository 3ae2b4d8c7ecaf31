"""Measure, and measure several contenders in turns."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from statistics import median
from types import TracebackType
from typing import Self

import attrs

from benchmarks import pace

__all__ = ["Sample", "Stopwatch", "Contender", "in_turns", "nothing", "median_ratio", "percentile"]


@attrs.frozen(kw_only=True)
class Sample:
    """Jobs done in some time.

    Attributes:
        jobs: how many.
        seconds: by the clock.
        cpu_seconds: of the contender's processes alone: not the database's, not the backend's.
        database_cpu_seconds: of all the database server's processes; None: not known.
        wal_bytes: written ahead by the database server; None: not known.
        memory_mb: the largest resident size of one of the processes; None: not known.
    """

    jobs: int
    seconds: float
    cpu_seconds: float
    database_cpu_seconds: float | None = None
    wal_bytes: float | None = None
    memory_mb: float | None = None

    @property
    def rate(self) -> float:
        """Jobs per second."""
        return self.jobs / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU per job: hardly moved by what else the machine does."""
        return self.cpu_seconds / self.jobs * 1e6

    @property
    def database_cpu_us(self) -> float | None:
        """Microseconds of the database's CPU per job."""
        used = self.database_cpu_seconds
        return None if used is None else used / self.jobs * 1e6


class Stopwatch:
    """Measures what is done within ``with``, garbage of before not counted."""

    def __enter__(self) -> Self:
        gc.collect()
        self._cpu, self._start = time.process_time(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._start
        self.cpu_seconds = time.process_time() - self._cpu

    def sample(self, jobs: int) -> Sample:
        """What was measured, for so many jobs."""
        return Sample(jobs=jobs, seconds=self.seconds, cpu_seconds=self.cpu_seconds)


Contender = Callable[[], Awaitable[Sample]]


async def in_turns(
    contenders: Mapping[str, Contender], rounds: int, *, before: Callable[[], Awaitable[object]]
) -> dict[str, list[Sample]]:
    """Measure each contender once a round, in an order that is drawn; ``before`` precedes each."""
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name in random.sample(list(contenders), len(contenders)):
            await before()
            pace.look()
            samples[name].append(await contenders[name]())
    return samples


async def nothing() -> None:
    """What precedes contenders that need nothing before."""


def median_ratio(samples: Mapping[str, list[Sample]], one: str, other: str) -> float:
    """The median of the rounds' ratios of two rates: what slows a whole round down cancels out."""
    return median(a.rate / b.rate for a, b in zip(samples[one], samples[other], strict=True))


def percentile(values: list[float], share: float) -> float:
    """The value that this share of the values doesn't exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
