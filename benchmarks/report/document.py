"""Write the document of a run, its chart, and what the README quotes of it."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.peers.registry import PROGRAMS
from benchmarks.report.results import Found, Results
from benchmarks.report.tables import found_table, goals_table, machine_table

__all__ = ["printed", "write"]

LESS = {name: program.less for name, program in PROGRAMS.items()}


def printed(results: Results, benchmarks: Iterable[str]) -> str:
    """Write everything that a run has found."""
    found = _found(results, benchmarks)
    goals = [goal for each in found for goal in each.goals]
    parts = [machine_table(results.about())]
    if goals:
        parts.append(goals_table(goals))
    return "\n\n".join([*parts, *map(_part, found)]) + "\n"


def _found(results: Results, benchmarks: Iterable[str]) -> list[Found]:
    return [found for name in benchmarks if (found := results.found(name))]


def _part(found: Found) -> str:
    rounds = "1 round" if found.rounds == 1 else f"{found.rounds} rounds"
    return "\n\n".join([f"### {found.title}", found_table(found, LESS), f"{found.note} {rounds}."])


def write(results: Results, benchmarks: Iterable[str]) -> None:
    """Write docs/benchmarks.md."""
