"""What a benchmark reports, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import attrs

from benchmarks.measure import Sample, median_ratio

__all__ = ["Bound", "Row", "Section", "markdown", "rate_rows"]

Row = Mapping[str, str | float]


@attrs.frozen(kw_only=True)
class Bound:
    """A number that was promised, and what was measured."""

    what: str
    measured: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether the promise was kept."""
        above = self.at_least is None or self.measured >= self.at_least
        return above and (self.at_most is None or self.measured <= self.at_most)

    @property
    def wanted(self) -> str:
        """The bound, to be read."""
        lower = [] if self.at_least is None else [f"at least {_shown(self.at_least)}"]
        upper = [] if self.at_most is None else [f"at most {_shown(self.at_most)}"]
        return ", ".join(lower + upper)


@attrs.frozen(kw_only=True)
class Section:
    """One benchmark's report."""

    title: str
    rows: Sequence[Row]  # all with the same keys: the table's columns
    bounds: Sequence[Bound] = ()
    note: str = ""
    rounds: Any = None  # every single measurement, for the JSON


def rate_rows(samples: Mapping[str, list[Sample]], reference: str) -> list[Row]:
    """A row for each contender: medians, and the ratio to ``reference``."""
    return [
        {
            "": name,
            "jobs/s": median(each.rate for each in rounds),
            "CPU µs/job": median(each.cpu_us for each in rounds),
            f"to {reference}": median_ratio(samples, name, reference),
        }
        for name, rounds in samples.items()
    ]


def markdown(machine: Mapping[str, str], sections: Sequence[Section]) -> str:
    """The whole report."""
    parts = [_table([{"": name, "is": text} for name, text in machine.items()])]
    bounds = [bound for section in sections for bound in section.bounds]
    if bounds:
        parts.append(_table([_bound_row(bound) for bound in bounds]))
    for section in sections:
        parts.append(f"### {section.title}")
        parts.append(_table(section.rows))
        if section.note:
            parts.append(section.note)
    return "\n\n".join(parts) + "\n"


def _bound_row(bound: Bound) -> Row:
    met = "yes" if bound.is_met else "**no**"
    return {"what": bound.what, "measured": bound.measured, "wanted": bound.wanted, "met": met}


def _table(rows: Sequence[Row]) -> str:
    columns = list(rows[0])
    lines = [_line(columns), _line(["---"] + ["---:"] * (len(columns) - 1))]
    return "\n".join(lines + [_line([_shown(row[column]) for column in columns]) for row in rows])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _shown(value: str | float) -> str:
    """Three significant digits; large numbers whole."""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
