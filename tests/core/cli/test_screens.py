"""What screens are made of, and the line at the foot while one waits."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text
from tests.core.cli.conftest import OnTerminal

from sp00ky_core.cli.screens import shown_until_stopped


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


def test_a_run_shows_its_progress(migrated: Path, sp00ky: Any, on_terminal: OnTerminal) -> None:
    sp00ky("call", "api", "/json", "--delay", "1")
    shown = on_terminal("run", "--until-empty", columns=200).text
    assert "0 delivered, 0 failed, 0 in flight" in shown
    assert "stopped: 1 delivered" in shown


def test_waiting_shows_what_for(migrated: Path, on_terminal: OnTerminal) -> None:
    shown = on_terminal("call", "api", "/json", "--delay", "500ms", "--wait", columns=200).text
    assert "waiting for job:" in shown
    assert "status: success" in shown


def test_what_is_chosen_by_filter_is_asked_for(migrated: Path, sp00ky: Any, on_terminal: OnTerminal) -> None:
    job_id = sp00ky("call", "api", "/json").out.strip()
    refused = on_terminal("jobs", "kill", "--all", answer=b"n\n", columns=200).text
    assert "1 job will be killed. Go on? [y/N]" in refused
    assert "nothing was done" in refused
    assert sp00ky("jobs", "get", job_id, "--json").json["status"] == "pending"
    asked = on_terminal("jobs", "kill", "--all", answer=b"\x04", columns=200).text  # the end of the input
    assert "Traceback" not in asked
    assert sp00ky("jobs", "get", job_id, "--json").json["status"] == "pending"
    assert "killed: 1" in on_terminal("jobs", "kill", "--all", answer=b"y\n", columns=200).text
    assert sp00ky("jobs", "get", job_id, "--json").json["status"] == "failed"
    shown = on_terminal("jobs", "kill", "--all", columns=200).text  # nobody is asked about nothing
    assert "killed: 0" in shown
    assert "[y/N]" not in shown
