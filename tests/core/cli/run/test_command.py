"""``sp00ky run`` as a process of its own: until empty, or until it is told to stop."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any, cast

import pytest

from sp00ky_core.cli.run.command import _until

TOKEN = "tok3n-that-nobody-may-see"

RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR) [\w.]+: ")


def status_of(sp00ky: Any, job_id: str) -> Any:
    return sp00ky("jobs", "get", job_id, "--json").json


def test_until_empty_waits_for_delayed_jobs_too(migrated: Path, sp00ky: Any, start: Any) -> None:
    soon = sp00ky("call", "api", "/json").out.strip()
    later = sp00ky("call", "api", "/json", "--delay", "1").out.strip()
    process = start("run", "--until-empty", "--log-level", "debug")
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert out == ""
    assert all(RECORD.match(line) for line in err.splitlines())
    assert "2 delivered, 0 failed" in err
    assert TOKEN not in err
    assert [status_of(sp00ky, each)["status"] for each in (soon, later)] == ["success", "success"]


def test_attempts_are_logged_as_json_without_payloads(migrated: Path, sp00ky: Any, start: Any) -> None:
    payload = json.dumps({"id": "p4yload-that-no-log-has"})
    for path in ("/json", "/fails"):
        sp00ky("call", "api", path, payload, "--max-retries", "1")
    process = start("run", "--until-empty", "--log-level=debug", "--log-format=json", "--log-attempts")
    _, err = process.communicate(timeout=240)
    assert process.returncode == 1, err
    lines = [json.loads(line) for line in err.splitlines()]
    assert all({"ts", "level", "event", "message"} <= line.keys() for line in lines)
    attempts = [line for line in lines if line["event"] == "attempt"]
    assert sorted((line["path"], line["attempt"], line["outcome"], line["code"]) for line in attempts) == [
        ("/fails", 1, "retry", 500),
        ("/fails", 2, "failed", 500),
        ("/json", 1, "success", 200),
    ]
    assert {"job_id", "backend", "epoch", "duration_ms", "runner_id"} <= attempts[0].keys()
    assert [line["event"] for line in lines if line["event"].startswith("runner_")] == [
        "runner_started",
        "runner_stopped",
    ]
    assert "p4yload" not in err
    assert TOKEN not in err


@pytest.mark.parametrize("option", ["--grace", "--poll"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1", "soon"])
def test_a_runner_takes_no_time_that_is_none(migrated: Path, sp00ky: Any, option: str, value: str) -> None:
    assert option in sp00ky("run", "--until-empty", option, value).complaint(2)


def test_until_empty_names_a_paused_backend(migrated: Path, sp00ky: Any) -> None:
    sp00ky("call", "api", "/json")
    sp00ky("backends", "pause", "api")
    process = sp00ky("run", "--until-empty", "--log-level", "error")
    assert "backend 'api' is paused, 1 job waits" in process.complaint(1)
    sp00ky("backends", "resume", "api")
    assert sp00ky("run", "--until-empty").code == 0


class Runner:
    """Waits for ever to be empty."""

    def __init__(self) -> None:
        self.drain_requested = asyncio.Event()

    async def until_empty(self) -> int:
        await asyncio.Event().wait()
        return 0


@pytest.mark.parametrize("until_empty", [True, False])
@pytest.mark.parametrize("by_operator", [True, False])
async def test_it_goes_on_until_a_signal_or_an_operator_stops_it(
    until_empty: bool, by_operator: bool
) -> None:
    runner, stopped = Runner(), asyncio.Event()
    going_on = asyncio.create_task(_until(cast("Any", runner), stopped, until_empty=until_empty))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not going_on.done()
    (runner.drain_requested if by_operator else stopped).set()
    await going_on
    assert stopped.is_set() is not by_operator, "a signal that comes then must not cut the drain short"
