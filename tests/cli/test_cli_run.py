"""``sp00ky run`` as a process of its own: until empty, drained by signals, ended by a second one."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

TOKEN = "tok3n-that-nobody-may-see"

RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR) [\w.]+: ")


def until(process: subprocess.Popen[str], text: str) -> None:
    """Read its log up to a record with this text."""
    assert process.stderr is not None
    assert any(text in line for line in process.stderr), f"it ended without {text!r}"


def status_of(sp00ky: Any, job_id: str) -> Any:
    return sp00ky("jobs", "get", job_id, "--json").json


def test_until_empty_waits_for_delayed_jobs_too(migrated: Path, sp00ky: Any, start: Any) -> None:
    soon = sp00ky("call", "api", "/json").out.strip()
    later = sp00ky("call", "api", "/json", "--delay", "1").out.strip()
    process = start("run", "--until-empty", "--log-level", "debug")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out == ""
    assert all(RECORD.match(line) for line in err.splitlines())
    assert "2 delivered, 0 failed" in err
    assert TOKEN not in err
    assert [status_of(sp00ky, each)["status"] for each in (soon, later)] == ["success", "success"]


def test_until_empty_exits_1_when_a_job_failed(migrated: Path, sp00ky: Any, start: Any) -> None:
    sp00ky("call", "api", "/fails", "--max-retries", "2")
    process = start("run", "--until-empty", "--log-level", "error")
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(
    migrated: Path, sp00ky: Any, start: Any, misbehaving: Any, number: signal.Signals
) -> None:
    job_id = sp00ky("call", "api", "/hang").out.strip()
    seen = len(misbehaving.requests)
    process = start("run", "--grace", "0.1")
    until(process, "delivers for api")
    wait_for_request(misbehaving, seen)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "draining" in err
    assert "Traceback" not in err
    job = status_of(sp00ky, job_id)
    assert (job["status"], job["errors"][0]["name"]) == ("pending", "outcome_unknown")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_exits_at_once(
    migrated: Path, sp00ky: Any, start: Any, misbehaving: Any, number: signal.Signals, code: int
) -> None:
    sp00ky("call", "api", "/hang")
    seen = len(misbehaving.requests)
    process = start("run", "--grace", "3600")
    until(process, "delivers for api")
    wait_for_request(misbehaving, seen)
    process.send_signal(number)
    until(process, "draining")
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code


def wait_for_request(backend: Any, seen: int) -> None:
    """Until the backend has one more request than ``seen``."""
    for _ in range(600):
        if len(backend.requests) > seen:
            return
        time.sleep(0.05)  # another process sends it: there is no event here
    raise AssertionError("no request came")
