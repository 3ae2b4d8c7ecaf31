"""Write what was found as tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.report.results import Found, Goal, Spread

__all__ = ["goals_table", "found_table", "machine_table", "shown", "table"]


def goals_table(goals: Sequence[Goal]) -> str:
    """Write each goal with its median, its limits and whether it is met."""
    header = ["goal", "wanted", "median", "min", "max", "met", "machine moved by"]
    return table(header, [_goal_cells(goal) for goal in goals])


def _goal_cells(goal: Goal) -> list[str]:
    spread = goal.measured
    numbers = [shown(number) for number in (spread.median, spread.least, spread.most)]
    if goal.at_least is None and goal.at_most is None:
        return [goal.what, "reported", *numbers, "", f"{goal.moved:.0%}"]
    met = "yes" if goal.is_met else "**no**"
    return [goal.what, _wanted(goal), *numbers, met, f"{goal.moved:.0%}"]


def _wanted(goal: Goal) -> str:
    lower = [] if goal.at_least is None else [f"≥ {shown(goal.at_least)}"]
    upper = [] if goal.at_most is None else [f"≤ {shown(goal.at_most)}"]
    return ", ".join(lower + upper)


def found_table(found: Found, less: Mapping[str, str]) -> str:
    """Write a benchmark's rows; ``less``: what each contender does less than ours.

    The first number of a row has its limits beside it, where there are several rounds.
    """
    columns = list(dict.fromkeys(column for row in found.rows.values() for column in row))
    says_less = any(less.get(name) for name in found.rows)
    header = ["", *columns, *(["does less than ours"] if says_less else [])]
    lines = [
        [name, *_cells(row, columns, found.rounds), *([less.get(name, "")] if says_less else [])]
        for name, row in found.rows.items()
    ]
    return table(header, lines, text=says_less)


def _cells(row: Mapping[str, Spread | str], columns: Sequence[str], rounds: int) -> list[str]:
    return [
        _cell(row.get(column, ""), with_limits=rounds > 1 and number == 0)
        for number, column in enumerate(columns)
    ]


def _cell(value: Spread | str, *, with_limits: bool) -> str:
    if isinstance(value, str):
        return value
    limits = f" ({shown(value.least)} to {shown(value.most)})" if with_limits else ""
    return shown(value.median) + limits


def machine_table(about: Mapping[str, str]) -> str:
    """Write what the numbers depend on."""
    return table(["", ""], [[name, text] for name, text in about.items()], text=True)


def table(header: Sequence[str], lines: Sequence[Sequence[str]], *, text: bool = False) -> str:
    """Write a table; ``text``: its last column is text, which stands on the left."""
    ruler = ["---", *["---:"] * (len(header) - 1)]
    if text:
        ruler[-1] = "---"
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ruler, *lines))


def shown(value: float) -> str:
    """Write three significant digits; large numbers whole."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
