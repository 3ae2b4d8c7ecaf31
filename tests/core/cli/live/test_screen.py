"""What screens are made of."""

import asyncio

import pytest
from rich.console import Console
from rich.text import Text

from sp00ky_core.cli.live.screen import shown_until_stopped


def drawn(picture: object, width: int = 40) -> list[str]:
    console = Console(width=width, record=True)
    with console.capture() as shown:
        console.print(picture)
    return [line.rstrip() for line in shown.get().splitlines()]


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
