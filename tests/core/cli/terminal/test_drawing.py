"""What somebody at a terminal sees: tables and progress, where others get plain lines."""

from pathlib import Path
from typing import Any

from tests.core.cli.terminal.conftest import At


def test_a_run_shows_its_progress(migrated: Path, sp00ky: Any, at_terminal: At) -> None:
    sp00ky("call", "api", "/json", "--delay", "1")
    shown = at_terminal("run", "--until-empty")
    assert "0 delivered, 0 failed, 0 in flight" in shown
    assert "stopped: 1 delivered" in shown


def test_waiting_shows_what_for(migrated: Path, at_terminal: At) -> None:
    shown = at_terminal("call", "api", "/json", "--delay", "500ms", "--wait")
    assert "waiting for job:" in shown
    assert "status: success" in shown


def test_what_is_chosen_by_filter_is_asked_for(migrated: Path, sp00ky: Any, at_terminal: At) -> None:
    job_id = sp00ky("call", "api", "/json").out.strip()
    refused = at_terminal("jobs", "kill", "--all", answer=b"n\n")
    assert "1 job will be killed. Go on? [y/N]" in refused
    assert "nothing was done" in refused
    assert sp00ky("jobs", "get", job_id, "--json").json["status"] == "pending"
    asked = at_terminal("jobs", "kill", "--all", answer=b"\x04")  # the end of the input
    assert "Traceback" not in asked
    assert sp00ky("jobs", "get", job_id, "--json").json["status"] == "pending"
    assert "killed: 1" in at_terminal("jobs", "kill", "--all", answer=b"y\n")
    assert sp00ky("jobs", "get", job_id, "--json").json["status"] == "failed"
    shown = at_terminal("jobs", "kill", "--all")  # nobody is asked about nothing
    assert "killed: 0" in shown
    assert "[y/N]" not in shown
