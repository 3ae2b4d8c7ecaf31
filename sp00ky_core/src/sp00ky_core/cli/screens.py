"""Draw on a terminal with rich: screens until a signal, a line at its foot; imported only where one is."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from sp00ky_core.cli.logs import say
from sp00ky_core.cli.output import (
    coloured_text,
    cut,
    draws,
    json_wanted,
    last_error,
    show_json,
    span,
    table_lines,
)
from sp00ky_core.cli.signals import stop_signal, unless_stopped
from sp00ky_core.encoding.escaping import plain
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.outbox.queries import json_of
from sp00ky_core.ports import BackendStats, ErrorGroup

REFRESH = 0.25
"""Seconds between two pictures."""

Draw = Callable[[int, int], Text]
"""Draws a picture of so many columns and lines at most."""


async def shown_until_stopped(draw: Draw, work: Coroutine[Any, Any, None]) -> None:
    """Show pictures while the work goes on, which is ended by a signal; the last picture stays.

    Raises:
        KeyboardInterrupt: the signal came; the terminal is as it was.
    """
    console = Console(highlight=False)
    with (
        stop_signal() as stopped,
        Live(console=console, auto_refresh=False, vertical_overflow="crop") as live,
    ):

        def show() -> None:
            live.update(draw(console.width, console.height - 1), refresh=True)  # the cursor's line is last

        drawing = asyncio.create_task(_repeat(show))
        try:
            await unless_stopped(stopped, work)
            show()
        finally:
            drawing.cancel()
    if stopped.is_set():
        raise KeyboardInterrupt


async def _repeat(show: Callable[[], None]) -> None:
    while True:
        show()
        await asyncio.sleep(REFRESH)


def grid(columns: Sequence[str], rows: Iterable[Sequence[object]], width: int) -> list[str]:
    """Lay rows out in a width, under bold headers."""
    return [*table_lines([columns, *(list(map(_cell, row)) for row in rows)], width)]


def _cell(value: object) -> str:
    if isinstance(value, int | float):
        return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"
    return plain(value)


def stacked(*parts: Sequence[str]) -> Text:
    """Put parts below each other, an empty line between them."""
    return Text.from_ansi("\n\n".join("\n".join(part) for part in parts if part))


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


LATEST = 200
"""Changes that are kept for the list of the latest."""

MOST_PROCESSING = 100_000
"""Jobs that are remembered as processing; those of a longer list aren't counted as in flight."""

MOST_REASONS = 5

PLACE, WIDE = 24, 110
"""Columns that a backend and its path take, and columns from which on a terminal has room for ids."""

CHANGE_COLUMNS = ("backend", "in flight", "new/s", "done/s", "retry/s", "fail/s", "done", "failed")
KINDS = ("new", "done", "retry", "fail")


@attrs.define
class Changes:
    """Keeps the jobs that have changed since the screen began."""

    _meter: Meter = attrs.field(factory=Meter)
    _processing: dict[str, str] = attrs.field(factory=dict)  # the backend of each job that is processing
    _backends: dict[str, None] = attrs.field(factory=dict)
    _reasons: Counter[tuple[str, str, str]] = attrs.field(factory=Counter)
    _latest: deque[Job] = attrs.field(factory=lambda: deque(maxlen=LATEST))

    def remember(self, jobs: Iterable[Job]) -> None:
        """Take over jobs that changed before the screen began: they count for no rate."""
        self._latest.extend(jobs)

    async def follow(self, changes: AsyncIterator[Job]) -> None:
        """Take each change over until there are no more."""
        async for job in changes:
            self.take(job)

    def take(self, job: Job) -> None:
        """Take over a change."""
        self._backends[job.backend] = None
        self._processing.pop(job.id, None)
        if job.status is JobStatus.PROCESSING:
            if len(self._processing) < MOST_PROCESSING:
                self._processing[job.id] = job.backend
            return  # in the column "in flight"; under load it would be most of the list
        self._latest.append(job)
        kinds = {JobStatus.SUCCESS: "done", JobStatus.FAILED: "fail"}
        kind = kinds.get(job.status) or ("retry" if job.lease_epoch else "new")
        self._meter[job.backend, kind] += 1
        if job.errors and kind in {"retry", "fail"}:
            self._reasons[job.backend, job.path, job.errors[-1].summary] += 1

    def picture(self, width: int, height: int) -> Text:
        """Draw rates, reasons and the latest changes, in as many lines as there are."""
        self._meter.sample()
        in_flight = Counter(self._processing.values())
        table = grid(CHANGE_COLUMNS, [self._row(name, in_flight[name]) for name in self._backends], width)
        reasons = [(times, *which) for which, times in self._reasons.most_common(MOST_REASONS)]
        why = grid(("times", "backend", "path", "error"), reasons, width) if reasons else []
        room = height - len(table) - len(why) - 4
        lines = [_line(job, width) for job in list(self._latest)[-max(room, 1) :]]
        latest = ["latest changes (UTC), Ctrl-C ends this", *(lines or ["nothing has changed yet"])]
        return stacked(table, why, latest)

    def _row(self, name: str, in_flight: int) -> tuple[object, ...]:
        rates = (self._meter.per_second((name, kind)) for kind in KINDS)
        return (name, in_flight, *rates, self._meter[name, "done"], self._meter[name, "fail"])


def _line(job: Job, width: int) -> str:
    """Format a change: what went wrong is seen on a narrow terminal too, the id on a wide one."""
    at = "" if job.updated_at is None else f"{job.updated_at:%H:%M:%S}"
    where, status = cut(plain(f"{job.backend} {job.path}"), PLACE), job.status.value
    names = f"{where:{PLACE}}  {plain(job.id)}" if width >= WIDE else f"{where:{PLACE}}"
    line = cut(f"{at:8}  {status:10}  {names}  {plain(last_error(job))}", width)
    return line.replace(status, coloured_text(status), 1)


async def watch_changes(outbox: Outbox, *, history: int) -> None:
    """Show a screen of changes until a signal; it begins with the latest so many jobs."""
    changes = Changes()
    if history:
        changes.remember(reversed(await outbox.find(limit=min(history, LATEST))))
    await shown_until_stopped(changes.picture, changes.follow(outbox.watch_all(history=0)))


INTERVAL = 1.0
"""Seconds between two counts of the jobs, at least."""

REST = 4
"""How many times as long as a count took the next one is awaited, so that counting takes at most a fifth of
the database's time."""

ERRORS_EVERY = 5.0
"""Seconds between two looks at what fails, at least."""

RECENT = timedelta(minutes=15)
"""Age of the failures that are shown."""

MOST_ERRORS = 8

QUEUE_COLUMNS = ("backend", "pending", "due", "processing", "done/s", "fail/s", "failed", "oldest", "breaker")


@attrs.define
class Queues:
    """Keeps the queues of each backend, as they were last counted.

    Attributes:
        stats: By backend.
        errors: What fails, the largest group first.
        problem: Why the numbers are old; empty: they aren't.
    """

    stats: Mapping[str, BackendStats] = attrs.field(factory=dict)
    errors: Sequence[ErrorGroup] = ()
    problem: str = ""
    _meter: Meter = attrs.field(factory=Meter)

    def take(self, stats: Mapping[str, BackendStats]) -> None:
        """Take over a count."""
        self.stats = stats
        for name, counts in stats.items():
            self._meter[name, "done"], self._meter[name, "fail"] = counts.success, counts.failed
        self._meter.sample()

    def rates(self, backend: str) -> tuple[float, float]:
        """Return how many jobs were delivered and failed, in a second."""
        return self._meter.per_second((backend, "done")), self._meter.per_second((backend, "fail"))

    def lines(self) -> Iterator[str]:
        """Yield a plain line for each backend."""
        at = datetime.now(UTC).strftime("%H:%M:%S")
        for name, stats in self.stats.items():
            done, failing = self.rates(name)
            counts = f"{stats.pending} pending, {stats.due} due, {stats.processing} processing"
            ended = f"{stats.success} success, {stats.failed} failed"
            rates = f"{done:.1f} done/s, {failing:.1f} failed/s"
            yield f"{at} {name}: {counts}, {ended}, {rates}, {state_of(stats)}"

    def picture(self, width: int, height: int) -> Text:
        """Draw the queues, and below them what fails, in as many lines as there are."""
        table = grid(QUEUE_COLUMNS, [self._row(name, stats) for name, stats in self.stats.items()], width)
        shown = self.errors[: max(height - len(table) - 6, 1)]
        errors = [(group.count, group.backend, group.path, str(group)) for group in shown]
        recent = f"what fails, of the last {RECENT.total_seconds() / 60:.0f} minutes"
        below = grid(("jobs", "backend", "path", "error"), errors, width) if errors else []
        foot = self.problem or f"{datetime.now(UTC):%H:%M:%S} UTC, Ctrl-C ends this"
        return stacked(table, [recent, *below] if errors else ["nothing fails"], [plain(foot[:width])])

    def _row(self, name: str, stats: BackendStats) -> tuple[object, ...]:
        queue = (stats.pending, stats.due, stats.processing)
        return (name, *queue, *self.rates(name), stats.failed, span(stats.oldest_due_s), state_of(stats))


def state_of(stats: BackendStats) -> str:
    """Say in a word whether a backend is delivered to."""
    return "paused" if stats.paused is not None else stats.breaker.state


async def watch_queues(outbox: Outbox) -> None:
    """Show the queues again and again: a screen on a terminal, elsewhere lines; until a signal."""
    queues = Queues()
    if not json_wanted() and draws():
        await shown_until_stopped(queues.picture, _follow(outbox, queues))
    async for problem in _counted(outbox, queues):
        if problem:
            say(problem)
        elif json_wanted():
            numbers = {name: json_of(stats) for name, stats in queues.stats.items()}
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
    """Count the jobs again and again; yield why the database can't be reached, which may be over soon."""
    while True:
        began, problem = time.monotonic(), ""
        try:
            queues.take(await outbox.stats())
        except StoreUnavailable as error:
            problem = str(error)
        yield problem  # and what is done with it counts for the rest, too
        await asyncio.sleep(max(INTERVAL, REST * (time.monotonic() - began)))
