"""Show the demo's jobs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import click
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from sp00ky_core.cli.terminal.output import is_terminal
from sp00ky_core.job import Job, JobStatus

Show = Callable[[Sequence[Job]], None]


@contextmanager
def screen(expected: Mapping[str, int]) -> Iterator[Show]:
    """Yield what to call with all jobs whenever they may have changed; ``expected`` of each path."""
    if not is_terminal(sys.stdout):
        yield _plain_lines()
        return
    with Live(refresh_per_second=8) as live:
        yield lambda jobs: live.update(_picture(jobs, expected))


def _plain_lines() -> Show:
    last = ""

    def show(jobs: Sequence[Job]) -> None:
        nonlocal last
        counts = Counter(job.status for job in jobs)
        line = ", ".join(f"{counts[status]} {status.value}" for status in JobStatus)
        if line != last:
            click.echo(line)
        last = line

    return show


def _picture(jobs: Sequence[Job], expected: Mapping[str, int]) -> Group:
    table = Table("route", *(status.value for status in JobStatus), "retried", title="sp00ky demo")
    for path in expected:
        mine = [job for job in jobs if job.path == path]
        counts = Counter(job.status for job in mine)
        retried = sum(1 for job in mine if job.retries)
        table.add_row(path, *(str(counts[status]) for status in JobStatus), str(retried))
    done = sum(1 for job in jobs if job.is_terminal)
    return Group(table, ProgressBar(total=sum(expected.values()), completed=done, width=60))
