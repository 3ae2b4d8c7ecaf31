"""What screens are made of, ``jobs stats --watch``, and the line at the foot while one waits."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console
from rich.text import Text
from tests.core.cli.conftest import OnTerminal

from sp00ky_core.cli import screens
from sp00ky_core.cli.screens import Queues, shown_until_stopped
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.ports import BackendStats


def test_a_screen_of_a_terminal(migrated: Path, sp00ky: Any, on_terminal: OnTerminal) -> None:
    sp00ky("call", "api", "/fails", "--max-retries", "0")
    assert sp00ky("run", "--until-empty", "--log-level", "error").code == 1
    shown = on_terminal("jobs", "stats", "--watch", until=("what fails", "HTTP 500", "Ctrl-C"))
    assert shown.code == 130
    assert shown.is_clean
    assert b"\x1b[31m" in shown.raw
    assert max(map(len, shown.text.splitlines())) <= 80


def test_lines_in_a_pipe(migrated: Path, start: Any) -> None:
    for options in ((), ("--json",)):
        process = start("jobs", "stats", "--watch", *options)
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=240)
        assert (process.returncode, err.strip()) == (130, "")
        assert "\x1b" not in "".join(lines) + out
        if options:
            assert json.loads(lines[1])["backends"]["api"]["pending"] == 0
        else:
            counts = "0 pending, 0 due, 0 processing, 0 success, 0 failed"
            assert lines[1][9:] == f"api: {counts}, 0.0 done/s, 0.0 failed/s, closed\n"


class _Away:
    """An outbox whose database is away, and then there."""

    def __init__(self) -> None:
        self.calls = 0

    async def stats(self) -> dict[str, BackendStats]:
        self.calls += 1
        if self.calls == 2:
            raise StoreUnavailable(store="memory://", problem="it is gone")
        return {"api": BackendStats(pending=self.calls)}


async def test_a_database_that_is_away_ends_no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "INTERVAL", 0.0)
    queues, problems = Queues(), []
    async for problem in screens._counted(cast("Any", _Away()), queues):
        problems.append(problem)
        if len(problems) == 3:
            break
    assert [bool(problem) for problem in problems] == [False, True, False]
    assert queues.stats["api"].pending == 3
    queues.problem = problems[1]
    assert drawn(queues.picture(80, 24), 80)[-1] == problems[1]


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
