"""Keep what each round of each benchmark found, one JSON file each, so that a run can be resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any, Self

import attrs

from benchmarks.report.section import Bound, Section

__all__ = ["Results", "Found", "Goal", "Spread", "merged"]


@attrs.frozen(kw_only=True)
class Spread:
    """A number over several rounds.

    Attributes:
        median: of the rounds.
        least: of the rounds.
        most: of the rounds.
    """

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Self:
        """Find the median and the limits of some numbers."""
        return cls(median=median(values), least=min(values), most=max(values))


@attrs.frozen(kw_only=True)
class Goal:
    """A number that is wanted, over several rounds; it is the median that has to meet it.

    Attributes:
        what: as the table says it.
        measured: over the rounds.
        at_least: the lower bound, if there is one.
        at_most: the upper bound, if there is one.
        moved: by which share the machine's own speed moved within a round, at most.
    """

    what: str
    measured: Spread
    at_least: float | None
    at_most: float | None
    moved: float

    @property
    def is_met(self) -> bool:
        """Whether the median is what is wanted."""
        bound = Bound(
            what=self.what, measured=self.measured.median, at_least=self.at_least, at_most=self.at_most
        )
        return bound.is_met


@attrs.frozen(kw_only=True)
class Found:
    """What a benchmark found over several rounds.

    Attributes:
        name: of the benchmark.
        title: of its part in the document.
        note: what was done.
        rounds: how many there are.
        rows: by name, then by column; text is the last round's.
        goals: those that it measures.
        moved: as of a goal.
    """

    name: str
    title: str
    note: str
    rounds: int
    rows: Mapping[str, Mapping[str, Spread | str]]
    goals: list[Goal]
    moved: float


class Results:
    """A folder of a run: what the run is about, and a file for each round of each benchmark."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, about: Mapping[str, str], *, resume: bool) -> None:
        """Go on with a run that was broken off, where it was about the same; else begin anew, beside it."""
        file = self._folder / "about.json"
        same = file.exists() and json.loads(file.read_text()) == about
        if not (resume and same):
            if self._folder.exists():  # what another run has found, or somebody's own files
                self._folder.rename(f"{self._folder}-until-{datetime.now():%Y%m%dT%H%M%S.%f}")
            self._folder.mkdir(parents=True)
            _write(file, about)

    def about(self) -> dict[str, str]:
        """Return what the run is about: the machine, the versions."""
        found: dict[str, str] = json.loads((self._folder / "about.json").read_text())
        return found

    def has(self, benchmark: str, number: int) -> bool:
        """Whether a round of a benchmark is there."""
        return self._file(benchmark, number).exists()

    def keep(self, benchmark: str, number: int, section: Section) -> None:
        """Write what a round of a benchmark has found."""
        _write(self._file(benchmark, number), attrs.asdict(section))

    def found(self, benchmark: str) -> Found | None:
        """Return what all rounds of a benchmark have found; None: there is none yet."""
        files = sorted(self._folder.glob(f"{benchmark}.*.json"))
        rounds = [json.loads(file.read_text()) for file in files]
        return merged(benchmark, rounds) if rounds else None

    def _file(self, benchmark: str, number: int) -> Path:
        return self._folder / f"{benchmark}.{number}.json"


def merged(name: str, rounds: list[dict[str, Any]]) -> Found:
    """Join the rounds of a benchmark, as they are written."""
    last = rounds[-1]
    rows = {row[""]: _joined([_row(round_, row[""]) for round_ in rounds]) for row in last["rows"]}
    moved = max(round_.get("moved", 0.0) for round_ in rounds)
    goals = [_goal([_bound(round_, bound["what"]) for round_ in rounds], moved) for bound in last["bounds"]]
    return Found(
        name=name,
        title=last["title"],
        note=last["note"],
        rounds=len(rounds),
        rows=rows,
        goals=goals,
        moved=moved,
    )


def _row(section: dict[str, Any], name: str) -> dict[str, Any]:
    return next((dict(row) for row in section["rows"] if row[""] == name), {})


def _bound(section: dict[str, Any], what: str) -> dict[str, Any] | None:
    return next((dict(bound) for bound in section["bounds"] if bound["what"] == what), None)


def _joined(rows: list[dict[str, Any]]) -> dict[str, Spread | str]:
    joined: dict[str, Spread | str] = {}
    for column in rows[-1]:
        values = [row[column] for row in rows if column in row]
        if column:
            joined[column] = values[-1] if isinstance(values[-1], str) else Spread.of(values)
    return joined


def _goal(bounds: list[dict[str, Any] | None], moved: float) -> Goal:
    there = [bound for bound in bounds if bound is not None]
    return Goal(
        what=there[-1]["what"],
        measured=Spread.of([bound["measured"] for bound in there]),
        at_least=there[-1]["at_least"],
        at_most=there[-1]["at_most"],
        moved=moved,
    )


def _write(file: Path, found: Any) -> None:
    """Write a file whole or not at all."""
    new = file.with_suffix(".new")
    new.write_text(json.dumps(found, indent=1))
    new.rename(file)
