"""The table of docs/guarantees.md, written anew between its markers."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
from tests.chaos.figures import Figures, summary

__all__ = ["Record", "table", "with_table", "DOCUMENT"]

DOCUMENT = Path(__file__).parents[2] / "docs" / "guarantees.md"

BEGIN, END = "<!-- chaos: {store} -->", "<!-- /chaos: {store} -->"

HEAD = """\
| broken | times | answered jobs sent again | seconds to recover: median / most |
|---|---:|---:|---:|
"""


@attrs.frozen(kw_only=True)
class Record:
    """What a session was, and what it has shown."""

    store: str
    seed: int
    minutes: float
    runners: int
    figures: Figures
    left_out: Mapping[str, str]
    violations: Sequence[str]


def table(record: Record) -> str:
    """The figures as Markdown."""
    figures = record.figures
    rows = [
        f"| {each.kind} | {each.count} | {each.repeated} | {summary(each.recovery)} |"
        for each in figures.kinds
    ]
    rows += [f"| {kind} | 0: {reason} | - | - |" for kind, reason in record.left_out.items()]
    about = (
        f"Seed {record.seed}, {record.minutes:g} minutes, {record.runners} runner processes, Python "
        f"{platform.python_version()}: **{figures.committed:,} jobs committed, {figures.lost} lost**, "
        f"{figures.rolled_back:,} rolled back, {figures.unknown:,} with the reply to the commit lost; "
        f"{figures.requests:,} requests, {figures.repeated:,} of them for jobs that had been answered; "
        f"{len(record.violations)} promises broken."
    )
    return f"{about}\n\n{HEAD}" + "\n".join(rows) + "\n"


def with_table(document: str, record: Record) -> str:
    """The document with the table of this store's latest session."""
    begin, end = BEGIN.format(store=record.store), END.format(store=record.store)
    before, found, rest = document.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"the document has no place for {record.store}: {begin} ... {end}")
    return f"{before}{begin}\n\n{table(record)}\n{end}{after}"
