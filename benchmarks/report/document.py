"""Write the results of a run, its chart, and what the documents quote of it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path

from benchmarks.peers.environment import ROOT
from benchmarks.peers.registry import PROGRAMS
from benchmarks.report.chart import Series, chart
from benchmarks.report.results import Found, Results, Spread
from benchmarks.report.tables import found_table, goals_table, machine_table, shown, table

__all__ = ["printed", "write", "replaced"]

NO_RUNNER = (
    "neither priorities, ordering keys, pauses, breakers nor long rows; no LIVE, no word about a lost lease"
)
LESS = {name: program.less for name, program in PROGRAMS.items()} | {
    "claims, POSTs and settles fused by hand": NO_RUNNER,
    "claims and settles by hand": NO_RUNNER,
}
RESULTS = ROOT / "benchmarks/results.md"
PAGE, CHART = ROOT / "docs/benchmarks.md", ROOT / "docs/benchmarks.svg"
BEGIN, END = "<!-- results: written by `python -m benchmarks` -->", "<!-- end of results -->"
QUOTED = {
    "delivery": ("delivered/s, one process", "jobs/s"),
    "delivery-two": ("delivered/s, two processes", "jobs/s"),
    "enqueue": ("enqueued/s, 1,000 at a time", "jobs/s"),
    "latency": ("commit to request, p50 ms", "p50 ms"),
}
"""What the page quotes: of which benchmark, under which heading, which column."""

CHARTED = {"delivery": ("one process", "#2563eb"), "delivery-two": ("two processes", "#93c5fd")}


def printed(results: Results, benchmarks: Iterable[str]) -> str:
    """Return everything that a run has found, in Markdown."""
    found = _found(results, benchmarks)
    goals = [goal for benchmark in found for goal in benchmark.goals]
    parts = [machine_table(results.about())]
    if goals:
        parts.append(goals_table(goals))
    return "\n\n".join([*parts, *map(_part, found)]) + "\n"


def _found(results: Results, benchmarks: Iterable[str]) -> list[Found]:
    return [found for name in benchmarks if (found := results.found(name))]


def _part(found: Found) -> str:
    rounds = "1 round" if found.rounds == 1 else f"{found.rounds} rounds"
    moved = f"within one the machine's own speed moved by up to {found.moved:.0%}"
    text = f"{found.note} {rounds}; {moved}."
    note = textwrap.fill(text, 118, break_long_words=False, break_on_hyphens=False)
    return "\n\n".join([f"### {found.title}", found_table(found, LESS), note])


def write(results: Results, benchmarks: Iterable[str]) -> None:
    """Write benchmarks/results.md, the chart, and the table of docs/benchmarks.md."""
    found = {benchmark.name: benchmark for benchmark in _found(results, benchmarks)}
    series = [
        Series(name=name, colour=colour, bars=_column(found[benchmark], "jobs/s"))
        for benchmark, (name, colour) in CHARTED.items()
        if benchmark in found
    ]
    if series:
        CHART.write_text(chart("Jobs delivered a second over HTTP, 2 cores for everything", series))
    _replace(RESULTS, printed(results, benchmarks))
    _replace(PAGE, quoted(found))


def quoted(found: dict[str, Found]) -> str:
    """Return the table of docs/benchmarks.md."""
    columns = {
        heading: _column(found[benchmark], column)
        for benchmark, (heading, column) in QUOTED.items()
        if benchmark in found
    }
    names = dict.fromkeys(name for column in columns.values() for name in column)
    lines = [
        [name, *(shown(column[name].median) if name in column else "" for column in columns.values())]
        for name in names
    ]
    return table(["", *columns], lines) + "\n"


def _column(found: Found, column: str) -> dict[str, Spread]:
    cells = {name: row.get(column) for name, row in found.rows.items()}
    return {name: cell for name, cell in cells.items() if isinstance(cell, Spread)}


def _replace(file: Path, text: str) -> None:
    file.write_text(replaced(file.read_text(), text))


def replaced(document: str, text: str) -> str:
    """Return a document with other text between the lines that mark its results."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document lacks the lines {BEGIN} and {END}")
    return f"{before}{begin}\n\n{text.rstrip()}\n\n{end}{after}"
