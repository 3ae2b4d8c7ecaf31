"""Show the demo's jobs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from shutil import get_terminal_size

import click
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from sp00ky_core.cli.live.screen import count, grid, stacked
from sp00ky_core.cli.terminal.output import is_terminal
from sp00ky_core.cli.terminal.table import COLOURS
from sp00ky_core.job import Job, JobStatus

BAR, WIDTH = 14, 78
"""Columns."""

Show = Callable[[Sequence[Job], str], None]
"""What is called with all jobs, and what is going on, whenever they may have changed."""


@contextmanager
def screen(expected: Mapping[str, int]) -> Iterator[Show]:
    """Yield what shows the jobs; ``expected`` of each path."""
    if not is_terminal(sys.stdout):
        yield _plain_lines()
        return
    began = time.monotonic()
    with Live(refresh_per_second=8) as live:

        def show(jobs: Sequence[Job], scene: str) -> None:
            picture = _picture(jobs, expected, f"{time.monotonic() - began:4.1f} s  {scene}")
            live.update(picture, refresh=True)  # at once: what follows may be an import, which stops threads

        yield show


def _plain_lines() -> Show:
    last: list[str] = ["", ""]

    def show(jobs: Sequence[Job], scene: str) -> None:
        counts = Counter(job.status for job in jobs)
        lines = [", ".join(f"{counts[status]} {status.value}" for status in JobStatus), scene]
        for before, line in zip(last, lines, strict=True):
            if line != before:
                click.echo(line)
        last[:] = lines

    return show


def _picture(jobs: Sequence[Job], expected: Mapping[str, int], scene: str) -> Group:
    rows = [_row([job for job in jobs if job.path == path], path, total) for path, total in expected.items()]
    columns = ("route", *(status.value for status in JobStatus), "retried", "")
    table = grid(columns, rows, get_terminal_size().columns)
    table.columns[-1].justify = "left"
    done = sum(1 for job in jobs if job.is_terminal)
    bar = ProgressBar(total=sum(expected.values()), completed=done, width=WIDTH)
    return Group(stacked(Text("sp00ky demo", style="bold"), table, Text(scene)), bar)


def _row(jobs: Sequence[Job], path: str, total: int) -> tuple[object, ...]:
    counts = Counter(job.status for job in jobs)
    numbers = (count(counts[status], COLOURS[status.value]) for status in JobStatus)
    retried = sum(1 for job in jobs if job.retries)
    return (path, *numbers, retried, _bar(counts, total))


def _bar(counts: Counter[JobStatus], total: int) -> Text:
    """Draw the jobs of a route, each part in its status's colour."""
    bar, drawn, seen = Text(), 0, 0
    for status in (JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.PROCESSING, JobStatus.PENDING):
        seen += counts[status]
        reach = -(-BAR * seen // total)
        bar.append("█" * (reach - drawn), style=COLOURS[status.value])
        drawn = reach
    return bar
