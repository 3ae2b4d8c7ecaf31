"""A signal drains, a second one ends at once, and those that come together count once."""

import asyncio
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, Signals, raise_signal
from typing import Any

import pytest
from tests.core.cli.conftest import comes_true, until

from sp00ky_core.cli.signals import stop_signals


@pytest.mark.usefixtures("heard")
# The last one: as a terminal that closes, and systemd, send it.
@pytest.mark.parametrize("numbers", [(SIGTERM,), (SIGINT,), (SIGHUP,), (SIGTERM, SIGHUP, SIGHUP)])
def test_signals_that_come_together_drain(
    migrated: Path, sp00ky: Any, start: Any, misbehaving: Any, numbers: tuple[Signals, ...]
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


@pytest.mark.parametrize(("number", "code"), [(SIGTERM, 143), (SIGINT, 130)])
def test_a_second_signal_exits_at_once(
    migrated: Path, sp00ky: Any, start: Any, misbehaving: Any, number: Signals, code: int
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


async def test_a_sighup_is_not_the_first_of_two_signals() -> None:
    said: asyncio.Queue[object] = asyncio.Queue()
    with stop_signals(lambda: said.put_nowait("stop"), said.put_nowait):
        for number, expected in (SIGHUP, "stop"), (SIGTERM, "stop"), (SIGHUP, "stop"), (SIGINT, SIGINT):
            raise_signal(number)
            assert await said.get() == expected
