"""What somebody at a terminal sees: tables and progress, where others get plain lines."""

from __future__ import annotations

import os
import pty
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

At = Callable[..., str]


@pytest.fixture
def at_terminal(start: Any) -> At:
    """Runs a command with stdout and stderr on a terminal; what appeared there."""

    def run(*arguments: str) -> str:
        terminal, end = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
        process = start(*arguments, stdout=end, stderr=end, env=environment)
        os.close(end)
        shown = b""
        try:
            while piece := os.read(terminal, 4096):
                shown += piece
        except OSError:  # how Linux says that the other end is closed
            pass
        os.close(terminal)
        process.wait(timeout=60)
        return shown.decode()

    return run


def test_jobs_are_lines_whose_ids_can_be_copied(migrated: Path, sp00ky: Any, at_terminal: At) -> None:
    job_id = sp00ky("call", "api", "/json").out.strip()
    head, line = at_terminal("jobs", "list").splitlines()
    assert "status" in head
    assert "assigned_to" not in head  # no job has one
    assert line.startswith(f"{job_id}  api")


def test_a_run_shows_its_progress(migrated: Path, sp00ky: Any, at_terminal: At) -> None:
    sp00ky("call", "api", "/json", "--delay", "1")
    shown = at_terminal("run", "--until-empty")
    assert "0 delivered, 0 failed, 0 in flight" in shown
    assert "stopped: 1 delivered" in shown


def test_waiting_shows_what_for(migrated: Path, at_terminal: At) -> None:
    shown = at_terminal("call", "api", "/json", "--delay", "500ms", "--wait")
    assert "waiting for job:" in shown
    assert "status: success" in shown
