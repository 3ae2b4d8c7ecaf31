"""How jobs and numbers are shown: JSON, a table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sp00ky_core.codec import job_to_json
from sp00ky_core.job import Job
from sp00ky_core.ports import BackendStats, OperatorResult

__all__ = [
    "as_json",
    "show_json",
    "show_rows",
    "show_job",
    "job_row",
    "JOB_COLUMNS",
    "results_json",
    "stats_json",
]

as_json = click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")

JOB_COLUMNS = ("id", "backend", "path", "status", "retries", "assigned_to", "updated_at", "last error")


def show_json(document: Any, *, indent: int | None = 2) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(document, indent=indent, ensure_ascii=False).encode(errors="replace"))


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on a terminal, tab-separated lines elsewhere."""
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(_plain(cell) for cell in row))
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(Text(_plain(cell)) for cell in row))  # as it is: no markup
    Console().print(table)


def _plain(cell: object) -> str:
    """Text for a terminal: a row's content must not steer it."""
    text = "" if cell is None else str(cell)
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def job_row(job: Job) -> tuple[object, ...]:
    """A job in one line."""
    last = job.errors[-1] if job.errors else None
    error = f"{last.code or last.name}: {last.reason[:60]}" if last else ""
    updated_at = job.updated_at.strftime("%Y-%m-%d %H:%M:%S") if job.updated_at else ""
    retries = f"{job.retries}/{job.max_retries}"
    return (job.id, job.backend, job.path, job.status.value, retries, job.assigned_to, updated_at, error)


def show_job(job: Job) -> None:
    """A job, a field a line."""
    for name, value in job_to_json(job).items():
        if name != "errors" and value is not None:
            shown = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
            click.echo(f"{name}: {_plain(shown)}")
    for error in job.errors:
        code = f" {error.code}" if error.code else ""
        click.echo(f"  attempt {error.attempt}: {_plain(error.name)}{code}: {_plain(error.reason)}")


def results_json(results: Iterable[OperatorResult]) -> Mapping[str, Any]:
    """What ``jobs kill``, ``retry`` and ``clear`` print with ``--json``."""
    return {"results": [{"id": result.job_id, "result": result.fate.value} for result in results]}


def stats_json(stats: Mapping[str, BackendStats]) -> Mapping[str, Any]:
    """What ``jobs stats`` prints with ``--json``."""
    return {"backends": {name: attrs.asdict(each) for name, each in stats.items()}}
