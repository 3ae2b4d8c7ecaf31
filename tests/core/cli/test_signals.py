"""A signal drains, a second one ends at once, and those that come together count once."""

import signal
from pathlib import Path
from typing import Any

import pytest
from tests.core.cli.conftest import comes_true, until


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(
    "numbers",
    [
        (signal.SIGTERM,),
        (signal.SIGINT,),
        (signal.SIGHUP,),
        (signal.SIGHUP, signal.SIGTERM),  # as a terminal that closes, and systemd, send it, in any order
        (signal.SIGTERM, signal.SIGHUP, signal.SIGHUP),
    ],
)
def test_signals_that_come_together_drain(
    migrated: Path, sp00ky: Any, start: Any, misbehaving: Any, numbers: tuple[signal.Signals, ...]
) -> None:
    job_id = sp00ky("call", "api", "/hang").out.strip()
    seen = len(misbehaving.requests)
    process = start("run", "--grace", "0.5")
    until(process, "delivers for api")
    comes_true(lambda: len(misbehaving.requests) > seen)
    for number in numbers:
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
