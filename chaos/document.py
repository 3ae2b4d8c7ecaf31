"""The figures of chaos/results.md, written anew between their markers."""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

import attrs

from chaos.checker import lost, repeated
from chaos.deploys import EVERY, GRACE, Deployed
from chaos.figures import Figures, KindFigures, summary
from chaos.outage_figures import Outage
from chaos.received import Received
from chaos.service import PROCESSES
from chaos.webhooks import Hooked

__all__ = [
    "Record",
    "table",
    "deploys_text",
    "outages_text",
    "received_text",
    "webhooks_text",
    "with_text",
    "DOCUMENT",
    "DEPLOYS",
    "OUTAGES",
    "RECEIVER",
    "WEBHOOKS",
]

DOCUMENT = Path(__file__).parent / "results.md"

DEPLOYS = "deploys"
"""The place of rolling restarts; others are named as their store."""

OUTAGES = "outages"
"""The place of backends that go away."""

RECEIVER = "receiver"
"""The place of effects, counted behind the receiver."""

WEBHOOKS = "webhooks"
"""The place of endpoints, beside dead ones and one with a long queue."""

BEGIN, END = "<!-- chaos: {place} -->", "<!-- /chaos: {place} -->"

HEAD = """\
| broken | times | answered jobs sent again | seconds to recover: median / most |
|---|---:|---:|---:|
"""


ANSWERS = """\
| the backend | times | answered jobs sent again | seconds until the job is sent again: median / most |
|---|---:|---:|---:|
"""

OUTAGES_HEAD = """\
| backend | jobs waiting | in flight when it began | sent during it | of these, probes | jobs failed: with \
`max_retries` 0 / with retries | jobs/s of the other backend: before / during | went on after | probes every |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
"""


@attrs.frozen(kw_only=True)
class Record:
    """What a session was, and what it has shown."""

    seed: int
    minutes: float
    runners: int
    figures: Figures
    left_out: Mapping[str, str]
    violations: Sequence[str]


def table(record: Record) -> str:
    """The figures as Markdown."""
    figures = record.figures
    rows = [*map(_row, figures.kinds)]
    rows += [f"| {kind} | 0: {reason} | - | - |" for kind, reason in record.left_out.items()]
    about = (
        f"Seed {record.seed}, {record.minutes:g} minutes, {record.runners} runner processes, Python "
        f"{platform.python_version()}: **{figures.committed:,} jobs committed, {figures.lost} lost**, "
        f"{figures.rolled_back:,} rolled back, {figures.unknown:,} with the reply to the commit lost; "
        f"{figures.requests:,} requests, {figures.repeated:,} of them for jobs that had been answered; "
        f"{len(record.violations)} promises broken."
    )
    answers = ANSWERS + "\n".join(map(_row, figures.answers))
    return f"{about}\n\n{HEAD}" + "\n".join(rows) + f"\n\n{answers}\n"


def _row(figures: KindFigures) -> str:
    return f"| {figures.kind} | {figures.count} | {figures.repeated} | {summary(figures.recovery)} |"


def received_text(received: Received, minutes: float, runners: int) -> str:
    """The figures in one paragraph."""
    about = (
        f"{minutes:g} minutes, {runners} runner processes, {PROCESSES} of the service: {received.figures()}."
    )
    return fill(about, width=118)


def webhooks_text(hooked: Hooked, minutes: float, runners: int) -> str:
    """The figures in one paragraph."""
    return fill(f"{minutes:g} minutes, {runners} runner processes: {hooked.figures()}.", width=118)


def deploys_text(deployed: Deployed, seconds: float) -> str:
    """What rolling restarts have cost, as Markdown."""
    history, exits = deployed.ending.history, [seconds for _, seconds in deployed.ending.exits]
    in_vain = sum(bool(row.names) for row in deployed.short)
    return (
        f"One of 4 runners replaced every {EVERY:g} s for {seconds:g} s, `--grace {GRACE:g}`: "
        f"**{len(history.rows):,} jobs, {len(lost(history))} lost, "
        f"{len(repeated(history))} answered ones sent again, {in_vain} attempts lost** that would have ended "
        f"within the grace; {len(deployed.long)} longer ones, each `outcome_unknown`. "
        f"{len(exits)} runners exited with 0, after {summary(exits)} s (median / most).\n"
    )


def outages_text(outages: Sequence[Outage], runners: int) -> str:
    """What outages have cost, as Markdown."""
    rows = [
        f"| {outage.kind} | {outage.waiting:,} | {outage.in_flight} | {outage.sent} | {outage.probes} "
        f"| {outage.failed} / {outage.failed_early} | {outage.rate_before:.1f} / {outage.rate_during:.1f} "
        f"| {outage.resumed_after:.1f} s | {outage.interval:g} s |"
        for outage in outages
    ]
    broken = sum(len(outage.complaints()) for outage in outages)
    about = (
        f"{len(outages)} runs of {runners} runner processes, each with a backend that is away for "
        f"{outages[0].seconds:.0f} s, and one beside it that stays; {broken} promises broken."
    )
    return f"{about}\n\n{OUTAGES_HEAD}" + "\n".join(rows) + "\n"


def with_text(document: str, place: str, text: str) -> str:
    """The document with what the latest session has to say for a place in it."""
    begin, end = BEGIN.format(place=place), END.format(place=place)
    before, found, rest = document.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"the document has no place for {place}: {begin} ... {end}")
    return f"{before}{begin}\n\n{text}\n{end}{after}"
