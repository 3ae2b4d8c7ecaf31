"""Draw on a terminal with rich: screens until a signal, a line at its foot; imported only where one is."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from typing import Any

import attrs
from rich.console import Console
from rich.live import Live
from rich.text import Text

from sp00ky_core.cli.output import (
    coloured_text,
    cut,
    last_error,
    table_lines,
)
from sp00ky_core.cli.queue_counts import Meter
from sp00ky_core.cli.signals import stop_signal, unless_stopped
from sp00ky_core.encoding.escaping import plain
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.outbox.outbox import Outbox

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
