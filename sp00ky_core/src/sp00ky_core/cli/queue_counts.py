"""Count the jobs of each backend again and again, and print a line of each: ``sp00ky jobs stats --watch``."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs
import click

from sp00ky_core.cli.logs import say
from sp00ky_core.cli.output import json_wanted, show_json
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.outbox.queries import json_of
from sp00ky_core.ports import BackendStats

WINDOW = 10.0
"""Seconds over which a rate is measured."""

GRAIN = 0.25
"""Seconds that must have gone by before a rate is shown."""


class Meter(Counter[Any]):
    """Counts events by what they are, and turns the counts into rates."""

    def __init__(self) -> None:
        super().__init__()
        self._samples = deque[tuple[float, Mapping[Any, int]]]()

    def sample(self) -> None:
        """Remember the counts of now: what was counted before the first time isn't news."""
        now = time.monotonic()
        self._samples.append((now, dict(self)))
        while len(self._samples) > 1 and now - self._samples[1][0] >= WINDOW:
            self._samples.popleft()

    def per_second(self, what: object) -> float:
        """Return the rate; a count that has fallen, such as by `jobs clear`, has none."""
        if not self._samples:
            return 0.0
        since, before = self._samples[0]
        seconds = time.monotonic() - since
        return max(self[what] - before.get(what, 0), 0) / seconds if seconds >= GRAIN else 0.0


INTERVAL = 1.0
"""Seconds between two counts of the jobs, at least."""

REST = 4
"""How many times as long as a count took the next one is awaited, so that counting takes at most a fifth of
the database's time."""


@attrs.define
class Queues:
    """Keeps the queues of each backend, as they were last counted.

    Attributes:
        stats: By backend.
    """

    stats: Mapping[str, BackendStats] = attrs.field(factory=dict)
    _meter: Meter = attrs.field(factory=Meter)

    def take(self, stats: Mapping[str, BackendStats]) -> None:
        """Take over a count."""
        self.stats = stats
        for name, counts in stats.items():
            self._meter[name, "done"], self._meter[name, "fail"] = counts.success, counts.failed
        self._meter.sample()

    def lines(self) -> Iterator[str]:
        """Yield a plain line for each backend."""
        at = datetime.now(UTC).strftime("%H:%M:%S")
        for name, stats in self.stats.items():
            counts = f"{stats.pending} pending, {stats.due} due, {stats.processing} processing"
            ended = f"{stats.success} success, {stats.failed} failed"
            done, failing = (self._meter.per_second((name, kind)) for kind in ("done", "fail"))
            rates = f"{done:.1f} done/s, {failing:.1f} failed/s"
            yield f"{at} {name}: {counts}, {ended}, {rates}, {state_of(stats)}"


def state_of(stats: BackendStats) -> str:
    """Say in a word whether a backend is delivered to."""
    return "paused" if stats.paused is not None else stats.breaker.state


async def watch_queues(outbox: Outbox) -> None:
    """Print the queues again and again, until a signal."""
    queues = Queues()
    async for problem in _counted(outbox, queues):
        if problem:
            say(problem)
        elif json_wanted():
            numbers = {name: json_of(stats) for name, stats in queues.stats.items()}
            show_json({"backends": numbers}, indent=None)
        else:
            for line in queues.lines():
                click.echo(line)


async def _counted(outbox: Outbox, queues: Queues) -> AsyncIterator[str]:
    """Count the jobs again and again; yield why the database can't be reached, which may be over soon."""
    while True:
        began, problem = time.monotonic(), ""
        try:
            queues.take(await outbox.stats())
        except StoreUnavailable as error:
            problem = str(error)
        yield problem  # and what is done with it counts for the rest, too
        await asyncio.sleep(max(INTERVAL, REST * (time.monotonic() - began)))
