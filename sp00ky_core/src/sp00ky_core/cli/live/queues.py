"""Follow the queues in numbers: ``sp00ky jobs stats --watch``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import attrs
import click

from sp00ky_core.cli.errors import say
from sp00ky_core.cli.live.meter import Meter
from sp00ky_core.cli.terminal.output import draws, show_json
from sp00ky_core.encoding.report_json import json_of
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.outbox import Outbox
from sp00ky_core.ports import BackendStats, ErrorGroup

if TYPE_CHECKING:  # rich is slow to import, and no pipe needs it
    from rich.console import RenderableType

INTERVAL = 1.0
"""Seconds between two counts of the jobs..."""

REST = 4
"""...and so many times as long as a count took: it costs the database a fifth of the time at most."""

ERRORS_EVERY = 5.0
"""Seconds between two looks at what fails, at least."""

RECENT = timedelta(minutes=15)
"""Age of the failures that are shown."""

MOST_ERRORS = 8

COLUMNS = ("backend", "pending", "due", "processing", "done/s", "fail/s", "failed", "oldest", "breaker")


@attrs.define
class Queues:
    """The queues of each backend, as they were last counted.

    Attributes:
        stats: By backend.
        errors: What fails, the largest group first.
        problem: Why the numbers are old; empty: they aren't.
    """

    stats: Mapping[str, BackendStats] = attrs.field(factory=dict)
    errors: Sequence[ErrorGroup] = ()
    problem: str = ""
    _delivered: dict[str, Meter] = attrs.field(factory=dict)
    _failed: dict[str, Meter] = attrs.field(factory=dict)

    def take(self, stats: Mapping[str, BackendStats]) -> None:
        """Take over a count."""
        self.stats = stats
        for name, each in stats.items():
            for meters, total in ((self._delivered, each.success), (self._failed, each.failed)):
                if name not in meters:
                    meters[name] = Meter()
                    meters[name].start(total)
                meters[name].reach(total)

    def rates(self, backend: str) -> tuple[float, float]:
        """Return how many jobs were delivered and failed, in a second."""
        return self._delivered[backend].per_second(), self._failed[backend].per_second()

    def lines(self) -> Iterator[str]:
        """Yield a plain line for each backend."""
        at = datetime.now(UTC).strftime("%H:%M:%S")
        for name, each in self.stats.items():
            done, failing = self.rates(name)
            counts = f"{each.pending} pending, {each.due} due, {each.processing} processing"
            ended = f"{each.success} success, {each.failed} failed"
            rates = f"{done:.1f} done/s, {failing:.1f} failed/s"
            yield f"{at} {name}: {counts}, {ended}, {rates}, {state_of(each)}"

    def picture(self, width: int, height: int) -> RenderableType:
        """Draw the queues, and below them what fails, in as many lines as there are."""
        from sp00ky_core.cli.live import screen  # noqa: PLC0415  # see above

        table = screen.grid(COLUMNS, [self._row(name, each) for name, each in self.stats.items()], width)
        table.columns[-1].justify = "left"
        room = height - len(self.stats) - 7
        errors = [
            (_reason(each), each.path, each.backend, each.count) for each in self.errors[: max(room, 1)]
        ]
        below = screen.grid(("error", "path", "backend", "jobs"), errors, width, names=3) if errors else None
        title = (
            f"what fails, of the last {RECENT.total_seconds() / 60:.0f} minutes"
            if errors
            else "nothing fails"
        )
        foot = self.problem or f"{datetime.now(UTC):%H:%M:%S} UTC, Ctrl-C ends this"
        return screen.stacked(table, screen.titled(title, below), screen.cell(foot[:width]))

    def _row(self, name: str, stats: BackendStats) -> tuple[object, ...]:
        from sp00ky_core.cli.live import screen  # noqa: PLC0415  # see above

        done, failing = self.rates(name)
        oldest = "" if stats.oldest_due_s is None else _age(stats.oldest_due_s)
        rates = (screen.count(done, "green"), screen.count(failing, "red"))
        failed = screen.count(stats.failed, "red")
        return (name, stats.pending, stats.due, stats.processing, *rates, failed, oldest, state_of(stats))


def state_of(stats: BackendStats) -> str:
    """Say in a word whether a backend is delivered to."""
    return "paused" if stats.paused is not None else stats.breaker.state


def _age(seconds: float) -> str:
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.1f} s"


def _reason(group: ErrorGroup) -> str:
    return f"HTTP {group.code}" if group.code else group.name


async def watch_queues(outbox: Outbox, *, json_wanted: bool) -> None:
    """Show the queues again and again: a screen on a terminal, elsewhere lines; until a signal."""
    queues = Queues()
    if not json_wanted and draws():
        from sp00ky_core.cli.live.screen import shown_until_stopped  # noqa: PLC0415  # see above

        await shown_until_stopped(queues.picture, _follow(outbox, queues))
    async for problem in _counted(outbox, queues):
        if problem:
            say(problem)
        elif json_wanted:
            numbers = {name: json_of(each) for name, each in queues.stats.items()}
            show_json({"backends": numbers}, indent=None)
        else:
            for line in queues.lines():
                click.echo(line)


async def _follow(outbox: Outbox, queues: Queues) -> None:
    look_at = 0.0
    async for problem in _counted(outbox, queues):
        queues.problem = problem
        began = time.monotonic()
        if began >= look_at and not problem:
            queues.errors = await outbox.errors(since=datetime.now(UTC) - RECENT, limit=MOST_ERRORS)
            look_at = began + max(ERRORS_EVERY, REST * (time.monotonic() - began))


async def _counted(outbox: Outbox, queues: Queues) -> AsyncIterator[str]:
    """Count again and again; yield the problem where the database can't be reached: it may be over soon."""
    while True:
        began, problem = time.monotonic(), ""
        try:
            queues.take(await outbox.stats())
        except StoreUnavailable as error:
            problem = str(error)
        yield problem  # and what is done with it counts for the rest, too
        await asyncio.sleep(max(INTERVAL, REST * (time.monotonic() - began)))
