"""A signal drains, a second one ends at once, and those that come together count once."""

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def until(process: subprocess.Popen[str], text: str) -> None:
    """Read its log up to a record with this text."""
    assert process.stderr is not None
    assert any(text in line for line in process.stderr), f"it ended without {text!r}"


def status_of(sp00ky: Any, job_id: str) -> Any:
    return sp00ky("jobs", "get", job_id, "--json").json


@pytest.fixture
def heard() -> Iterator[None]:
    """Let processes hear SIGHUP that this one was started to ignore, as by nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_drains(
    migrated: Path, sp00ky: Any, start: Any, misbehaving: Any, number: signal.Signals
) -> None:
    job_id = sp00ky("call", "api", "/hang").out.strip()
    seen = len(misbehaving.requests)
    process = start("run", "--grace", "0.1")
    until(process, "delivers for api")
    wait_for_request(misbehaving, seen)
    process.send_signal(number)
    _, err = process.communicate(timeout=240)
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
    process.communicate(timeout=240)
    assert process.returncode == code


def test_a_signal_that_comes_with_another_cuts_no_drain_short(
    migrated: Path, start: Any, sp00ky: Any, misbehaving: Any
) -> None:
    """A terminal that closes, and systemd, send SIGHUP beside another signal, or twice."""
    job_id = sp00ky("call", "api", "/hang").out.strip()
    seen = len(misbehaving.requests)
    process = start("run", "--grace", "0.5")
    until(process, "delivers for api")
    wait_for_request(misbehaving, seen)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGHUP):
        process.send_signal(number)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert status_of(sp00ky, job_id)["status"] == "pending"


def wait_for_request(backend: Any, seen: int) -> None:
    """Until the backend has one more request than ``seen``."""
    for _ in range(600):
        if len(backend.requests) > seen:
            return
        time.sleep(0.05)  # another process sends it: there is no event here
    raise AssertionError("no request came")
