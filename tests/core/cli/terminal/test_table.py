"""Rows in the width of a terminal."""

from __future__ import annotations

import click
import pytest
from rich.cells import cell_len

from sp00ky_core.cli.terminal.table import coloured_text, cut, table_lines

COLUMNS = ("id", "path", "status", "retries", "assigned_to", "updated", "error")
ID = f"job:{'a' * 36}"
ERROR = "500: HTTP 500 Internal Server Error: the database of ghosts is down"
ROWS = [
    [ID, "/spookify", "failed", "10/10", "", "01-31 12:00:00", ERROR],
    [ID, "/chat", "success", "0/3", "", "01-31 12:00:00", ""],
]


def lines(room: int) -> list[str]:
    found = [click.unstyle(line) for line in table_lines(COLUMNS, ROWS, room)]
    assert all(cell_len(line) <= room for line in found)
    return found


def test_what_fits_stands_in_one_line() -> None:
    header, first, second = lines(200)
    assert header.split() == ["id", "path", "status", "retries", "updated", "error"]
    assert first.endswith(f"10/10  01-31 12:00:00  {ERROR}")
    assert "success      0/3" in second  # numbers: to the right


@pytest.mark.parametrize("room", [80, 100])
def test_the_error_is_never_lost(room: int) -> None:
    shown = lines(room)
    assert shown[0].split()[:3] == ["id", "path", "status"]
    under = [line for line in shown if line.startswith("    ")]
    assert under[1].startswith(f"    {ERROR[:38]}")
    assert [line.split()[0] for line in shown if not line.startswith(" ")] == ["id", ID, ID]


@pytest.mark.parametrize("room", [1, 10, 39, 60])
def test_a_narrow_terminal_is_never_overrun(room: int) -> None:
    shown = [click.unstyle(line) for line in table_lines(COLUMNS, ROWS, room)]
    assert all(cell_len(line) <= max(room, len(ID)) for line in shown)  # an id is there as a whole


def test_statuses_have_colours() -> None:
    assert coloured_text("failed") == "\x1b[31mfailed\x1b[0m"
    assert coloured_text("/failed") == "/failed"


def test_wide_characters_count_twice() -> None:
    assert cut("幽霊幽霊", 5) == "幽霊…"
    assert cut("ghosts", 6) == "ghosts"


def test_a_header_alone() -> None:
    assert [click.unstyle(line) for line in table_lines(("id", "path"), [], 80)] == ["id  path"]
