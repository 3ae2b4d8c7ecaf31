"""Show the demo's jobs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import click
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sp00ky_core.cli.terminal.output import is_terminal
from sp00ky_core.cli.terminal.table import COLOURS
from sp00ky_core.job import Job, JobStatus

BAR = 18
"""Characters."""

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
            live.update(_picture(jobs, expected, f"{time.monotonic() - began:4.1f} s  {scene}"))

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
    table = Table(title="sp00ky demo", title_style="bold", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("route")
    for status in JobStatus:
        table.add_column(status.value, justify="right", style=COLOURS[status.value])
    table.add_column("retried", justify="right")
    table.add_column("", no_wrap=True)
    for path, total in expected.items():
        mine = [job for job in jobs if job.path == path]
        counts = Counter(job.status for job in mine)
        retried = sum(1 for job in mine if job.retries)
        numbers = [counts[status] for status in JobStatus]
        table.add_row(path, *map(str, numbers), str(retried), _bar(counts, total))
    done = sum(1 for job in jobs if job.is_terminal)
    return Group(table, Text(scene), ProgressBar(total=sum(expected.values()), completed=done, width=78))


def _bar(counts: Counter[JobStatus], total: int) -> Text:
    """Draw the jobs of a route, each part in its status's colour."""
    bar, drawn, seen = Text(), 0, 0
    for status in (JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.PROCESSING, JobStatus.PENDING):
        seen += counts[status]
        reach = -(-BAR * seen // total)
        bar.append("█" * (reach - drawn), style=COLOURS[status.value])
        drawn = reach
    return bar
