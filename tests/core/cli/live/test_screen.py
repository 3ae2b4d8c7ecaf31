"""What screens are made of."""

from __future__ import annotations

import asyncio

import pytest
from rich.console import Console
from rich.text import Text

from sp00ky_core.cli.live.screen import cell, count, grid, shown_until_stopped, stacked, titled


def drawn(picture: object, width: int = 40) -> list[str]:
    console = Console(width=width, record=True)
    with console.capture() as shown:
        console.print(picture)
    return [line.rstrip() for line in shown.get().splitlines()]


def test_numbers_line_up_to_the_right() -> None:
    table = grid(("backend", "jobs"), [("api", 1_234), ("webhooks", 5)], 40)
    assert drawn(table) == ["backend    jobs", "api       1,234", "webhooks      5"]


def test_a_long_name_is_cut_on_a_narrow_terminal() -> None:
    table = grid(("backend", "jobs"), [("a" * 50, 1_234)], 20)
    assert all(len(line) <= 20 for line in drawn(table, 20))
    assert drawn(table, 20)[1].endswith("1,234")


def test_cells() -> None:
    assert (cell(1.25).plain, cell("a\x1bb").plain, cell(None).plain) == ("1.2", "a\ufffdb", "")
    assert (cell("failed").style, count(0, "red").style, count(2, "red").style) == ("red", "dim", "red")
    assert cell(Text("as it is")).plain == "as it is"


def test_parts_stand_below_each_other() -> None:
    assert drawn(stacked(titled("first", cell(1)), None, titled("[second]"))) == [
        "first",
        "1",
        "",
        "[second]",
    ]


async def test_what_the_work_raises_is_raised() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await shown_until_stopped(lambda _width, _height: Text("a picture"), work())


async def test_the_last_line_is_left_to_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    rooms = set[tuple[int, int]]()

    def draw(width: int, height: int) -> Text:
        rooms.add((width, height))
        return Text("a picture")

    await shown_until_stopped(draw, asyncio.sleep(0))
    assert rooms == {(80, 23)}
