"""What somebody at a terminal sees: tables and progress, where others get plain lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.core.cli.terminal.conftest import At


def test_jobs_are_lines_whose_ids_can_be_copied(migrated: Path, sp00ky: Any, at_terminal: At) -> None:
    job_id = sp00ky("call", "api", "/json").out.strip()
    lines = at_terminal("jobs", "list").splitlines()  # a slow machine's has one more, of what takes so long
    (head,) = (line for line in lines if "status" in line)
    assert "assigned_to" not in head  # no job has one
    assert any(line.startswith(f"{job_id}  api") for line in lines)


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


def test_a_followed_job_has_its_status_in_colour(migrated: Path, sp00ky: Any, at_terminal: At) -> None:
    job_id = sp00ky("call", "api", "/json").out.strip()
    assert sp00ky("run", "--until-empty", "--log-level", "error").code == 0
    assert "api /json  \x1b[32msuccess\x1b[0m" in at_terminal("jobs", "watch", job_id)
