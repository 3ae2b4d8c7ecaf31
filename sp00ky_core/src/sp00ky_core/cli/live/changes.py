"""Follow jobs as they change: ``sp00ky jobs watch`` on a terminal."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Iterable

import attrs
from rich.console import RenderableType
from rich.text import Text

from sp00ky_core.cli.live.meter import Meter
from sp00ky_core.cli.live.screen import cell, count, grid, shown_until_stopped, stacked, titled
from sp00ky_core.cli.terminal.job_format import last_error
from sp00ky_core.cli.terminal.output import plain
from sp00ky_core.cli.terminal.table import COLOURS, cut
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.outbox import Outbox

LATEST = 200
"""Changes that are kept for the screen."""

MOST_HELD = 100_000
"""Jobs that are remembered as processing; those of a longer list aren't counted as in flight."""

MOST_REASONS = 5

PLACE, WIDE = 24, 110
"""Columns of a backend and a path; of a terminal that has room for ids."""

COLUMNS = ("backend", "in flight", "new/s", "done/s", "retry/s", "fail/s", "done", "failed")
STYLES = {"new": "", "done": "green", "retry": "yellow", "fail": "red"}


@attrs.define
class Changes:
    """Jobs that have changed since the screen began."""

    _meters: defaultdict[tuple[str, str], Meter] = attrs.field(factory=lambda: defaultdict(Meter))
    _held: dict[str, str] = attrs.field(factory=dict)  # the backend of each job that is processing
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
        self._held.pop(job.id, None)
        if job.status is JobStatus.PROCESSING:
            if len(self._held) < MOST_HELD:
                self._held[job.id] = job.backend
            return  # in the column "in flight"; under load it would be most of the list
        self._latest.append(job)
        kind = _kind(job)
        self._meters[job.backend, kind].add()
        if job.errors and kind in {"retry", "fail"}:
            last = job.errors[-1]
            reason = f"HTTP {last.code}" if last.code else last.name
            self._reasons[reason, job.path, job.backend] += 1

    def picture(self, width: int, height: int) -> RenderableType:
        """Draw rates, reasons and the latest changes, in as many lines as there are."""
        in_flight = Counter(self._held.values())
        table = grid(COLUMNS, [self._row(name, in_flight[name]) for name in self._backends], width)
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
