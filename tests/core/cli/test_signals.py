"""A signal drains, a second one ends at once, and those that come together count once."""

import signal
from pathlib import Path
from typing import Any

import pytest
from tests.core.cli.conftest import comes_true, until


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_drains(
    migrated: Path, sp00ky: Any, start: Any, misbehaving: Any, number: signal.Signals
) -> None:
    job_id = sp00ky("call", "api", "/hang").out.strip()
    seen = len(misbehaving.requests)
    process = start("run", "--grace", "0.1")
    until(process, "delivers for api")
    comes_true(lambda: len(misbehaving.requests) > seen)
    process.send_signal(number)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "draining" in err
    assert "Traceback" not in err
    job = sp00ky("jobs", "get", job_id, "--json").json
    assert (job["status"], job["errors"][0]["name"]) == ("pending", "outcome_unknown")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_exits_at_once(
    migrated: Path, sp00ky: Any, start: Any, misbehaving: Any, number: signal.Signals, code: int
) -> None:
    sp00ky("call", "api", "/hang")
    seen = len(misbehaving.requests)
    process = start("run", "--grace", "3600")
    until(process, "delivers for api")
    comes_true(lambda: len(misbehaving.requests) > seen)
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
    comes_true(lambda: len(misbehaving.requests) > seen)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGHUP):
        process.send_signal(number)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert sp00ky("jobs", "get", job_id, "--json").json["status"] == "pending"
