"""Show jobs as they change, and queues in numbers, until a signal: ``jobs watch``, ``jobs stats --watch``."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import attrs
import click
from rich.console import RenderableType
from rich.text import Text

from sp00ky_core.cli.job_format import cause, last_error
from sp00ky_core.cli.output import draws, plain, say, show_json
from sp00ky_core.cli.screen import Meter, cell, count, grid, shown_until_stopped, stacked, titled
from sp00ky_core.cli.table import COLOURS, cut
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.outbox.report_json import json_of
from sp00ky_core.ports import BackendStats, ErrorGroup

LATEST = 200
"""Changes that are kept for the """

MOST_PROCESSING = 100_000
"""Jobs that are remembered as processing; those of a longer list aren't counted as in flight."""

MOST_REASONS = 5

PLACE, WIDE = 24, 110
"""Columns of a backend and a path; of a terminal that has room for ids."""

CHANGE_COLUMNS = ("backend", "in flight", "new/s", "done/s", "retry/s", "fail/s", "done", "failed")
STYLES = {"new": "", "done": "green", "retry": "yellow", "fail": "red"}


@attrs.define
class Changes:
    """Keeps the jobs that have changed since the screen began."""

    _meters: defaultdict[tuple[str, str], Meter] = attrs.field(factory=lambda: defaultdict(Meter))
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
        kind = _kind(job)
        self._meters[job.backend, kind].add()
        if job.errors and kind in {"retry", "fail"}:
            self._reasons[cause(job.errors[-1]), job.path, job.backend] += 1

    def picture(self, width: int, height: int) -> RenderableType:
        """Draw rates, reasons and the latest changes, in as many lines as there are."""
        in_flight = Counter(self._processing.values())
        table = grid(CHANGE_COLUMNS, [self._row(name, in_flight[name]) for name in self._backends], width)
        common = self._reasons.most_common(MOST_REASONS)
        reasons = [(*which, times) for which, times in common]
        why = grid(("error", "path", "backend", "times"), reasons, width, names=3) if reasons else None
        room = height - len(self._backends) - (len(reasons) + 2 if reasons else 0) - 4
        lines = [_line(job, width) for job in list(self._latest)[-max(room, 1) :]]
        latest = Text("\n").join(lines) if lines else cell("nothing has changed yet")
        return stacked(table, why, titled("latest changes (UTC), Ctrl-C ends this", latest))

    def _row(self, backend: str, in_flight: int) -> tuple[object, ...]:
        meters = {kind: self._meters[backend, kind] for kind in STYLES}
        rates = (count(meters[kind].per_second(), style) for kind, style in STYLES.items())
        return (backend, in_flight, *rates, meters["done"].total, count(meters["fail"].total, "red"))


def _kind(job: Job) -> str:
    if job.status is JobStatus.SUCCESS:
        return "done"
    if job.status is JobStatus.FAILED:
        return "fail"
    return "retry" if job.lease_epoch else "new"


def _line(job: Job, width: int) -> Text:
    """Format a change: what went wrong is seen on a narrow terminal too, the id on a wide one."""
    at = "" if job.updated_at is None else f"{job.updated_at:%H:%M:%S}"
    where = cut(plain(f"{job.backend} {job.path}"), PLACE)
    line = Text(f"{at:8}  ")
    line.append(f"{job.status.value:10}", style=COLOURS[job.status.value])
    line.append(f"  {where:{PLACE}}  ")
    if width >= WIDE:
        line.append(f"{plain(job.id)}  ")
    line.append(plain(last_error(job)))
    line.truncate(width, overflow="ellipsis")
    return line


async def watch_changes(outbox: Outbox, *, history: int) -> None:
    """Show a screen of changes until a signal; it begins with the latest so many jobs."""
    changes = Changes()
    if history:
        changes.remember(reversed(await outbox.find(limit=min(history, LATEST))))
    await shown_until_stopped(changes.picture, changes.follow(outbox.watch_all(history=0)))


INTERVAL = 1.0
"""Seconds between two counts of the jobs..."""

REST = 4
"""...and so many times as long as a count took: it costs the database a fifth of the time at most."""

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
    _delivered: dict[str, Meter] = attrs.field(factory=dict)
    _failed: dict[str, Meter] = attrs.field(factory=dict)

    def take(self, stats: Mapping[str, BackendStats]) -> None:
        """Take over a count."""
        self.stats = stats
        for name, counts in stats.items():
            for meters, total in ((self._delivered, counts.success), (self._failed, counts.failed)):
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
        for name, stats in self.stats.items():
            done, failing = self.rates(name)
            counts = f"{stats.pending} pending, {stats.due} due, {stats.processing} processing"
            ended = f"{stats.success} success, {stats.failed} failed"
            rates = f"{done:.1f} done/s, {failing:.1f} failed/s"
            yield f"{at} {name}: {counts}, {ended}, {rates}, {state_of(stats)}"

    def picture(self, width: int, height: int) -> RenderableType:
        """Draw the queues, and below them what fails, in as many lines as there are."""
        table = grid(QUEUE_COLUMNS, [self._row(name, stats) for name, stats in self.stats.items()], width)
        table.columns[-1].justify = "left"
        room = height - len(self.stats) - 7
        errors = [
            (cause(group), group.path, group.backend, group.count) for group in self.errors[: max(room, 1)]
        ]
        below = grid(("error", "path", "backend", "jobs"), errors, width, names=3) if errors else None
        title = (
            f"what fails, of the last {RECENT.total_seconds() / 60:.0f} minutes"
            if errors
            else "nothing fails"
        )
        foot = self.problem or f"{datetime.now(UTC):%H:%M:%S} UTC, Ctrl-C ends this"
        return stacked(table, titled(title, below), cell(foot[:width]))

    def _row(self, name: str, stats: BackendStats) -> tuple[object, ...]:
        done, failing = self.rates(name)
        oldest = "" if stats.oldest_due_s is None else _age(stats.oldest_due_s)
        rates = (count(done, "green"), count(failing, "red"))
        failed = count(stats.failed, "red")
        return (name, stats.pending, stats.due, stats.processing, *rates, failed, oldest, state_of(stats))


def state_of(stats: BackendStats) -> str:
    """Say in a word whether a backend is delivered to."""
    return "paused" if stats.paused is not None else stats.breaker.state


def _age(seconds: float) -> str:
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.1f} s"


async def watch_queues(outbox: Outbox, *, json_wanted: bool) -> None:
    """Show the queues again and again: a screen on a terminal, elsewhere lines; until a signal."""
    queues = Queues()
    if not json_wanted and draws():
        await shown_until_stopped(queues.picture, _follow(outbox, queues))
    async for problem in _counted(outbox, queues):
        if problem:
            say(problem)
        elif json_wanted:
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
