"""Hold what one benchmark finds in one round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import attrs

from benchmarks.measure import Sample, median_ratio

__all__ = ["Bound", "Row", "Section", "rate_rows"]

Row = Mapping[str, str | float]


@attrs.frozen(kw_only=True)
class Bound:
    """A number that is wanted.

    Attributes:
        what: as the table of goals says it.
        measured: what was found.
        at_least: the number is met from here on; None: no lower bound.
        at_most: the number is met up to here; None: no upper bound.
    """

    what: str
    measured: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether what was found is what is wanted."""
        above = self.at_least is None or self.measured >= self.at_least
        return above and (self.at_most is None or self.measured <= self.at_most)


def _are_named(section: Section, field: object, rows: Sequence[Row]) -> None:
    if len({row[""] for row in rows}) < len(rows):
        raise ValueError(f"{section.title}: two rows have one name")


@attrs.frozen(kw_only=True)
class Section:
    """What one benchmark finds.

    Attributes:
        title: of its part in the document.
        rows: each with a name of its own under ``""``, and the same columns in every round.
        bounds: the goals that it measures.
        note: what was done.
        rounds: every single measurement, kept beside the report.
        moved: by which share the machine's own speed moved meanwhile.
    """

    title: str
    rows: Sequence[Row] = attrs.field(validator=_are_named)
    bounds: Sequence[Bound] = ()
    note: str = ""
    rounds: Any = None
    moved: float = 0.0


def rate_rows(samples: Mapping[str, list[Sample]], reference: str | None = None) -> list[Row]:
    """Make a row for each contender: medians, and the ratio to ``reference`` where there is one."""
    return [
        {"": name} | _columns(rounds) | _ratio(samples, name, reference) for name, rounds in samples.items()
    ]


def _columns(rounds: list[Sample]) -> dict[str, float]:
    found: dict[str, list[float | None]] = {
        "jobs/s": [round_.rate for round_ in rounds],
        "CPU µs/job": [round_.cpu_us for round_ in rounds],
        "database CPU µs/job": [round_.database_cpu_us for round_ in rounds],
        "WAL bytes/job": [
            None if round_.wal_bytes is None else round_.wal_bytes / round_.jobs for round_ in rounds
        ],
        "memory, MB": [round_.memory_mb for round_ in rounds],
    }
    known = {name: [one for one in values if one is not None] for name, values in found.items()}
    return {name: median(values) for name, values in known.items() if values}


def _ratio(samples: Mapping[str, list[Sample]], name: str, reference: str | None) -> dict[str, float]:
    if reference is None or reference not in samples:
        return {}
    return {f"to {reference}": median_ratio(samples, name, reference)}
