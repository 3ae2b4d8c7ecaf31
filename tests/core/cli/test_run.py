"""``sp00ky run`` as a process of its own: until empty, or until it is told to stop."""

import asyncio
import json
import logging
import re
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, cast

import pytest
from tests.core.cli.conftest import TOKEN

from sp00ky_core.cli.command import run_async
from sp00ky_core.cli.run import _until, open_for_runner
from sp00ky_core.errors import SchemaError, StoreUnavailable
from sp00ky_core.ports import Finding, JobTable, StoreOptions
from sp00ky_core.testing.perform import outbox_over
from sp00ky_store_kit.memory import MemoryStore

RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR) [\w.]+: ")


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
    for job_id in (soon, later):
        assert sp00ky("jobs", "get", job_id, "--json").json["status"] == "success"


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


TABLES = (JobTable(backend="api", table="job"),)
AWAY = StoreUnavailable(store="memory://", problem="it is away")


class Away(MemoryStore):
    """Can't be reached for some calls; then it has findings."""

    def __init__(self, *, opens: int = 0, beats: int = 0, findings: Any = ()) -> None:
        super().__init__(StoreOptions(url="memory://", tables=TABLES))
        self.left = {"open": opens, "beat": beats}
        self.findings = findings

    def _ask(self, call: str) -> None:
        self.left[call] -= 1
        if self.left[call] >= 0:
            raise AWAY

    async def open(self) -> None:
        self._ask("open")
        await super().open()

    async def beat(self, runner_id: str, info: Any = None) -> Any:
        self._ask("beat")
        return await super().beat(runner_id)

    async def check(self) -> list[Finding]:
        if isinstance(self.findings, Exception):
            raise self.findings
        return list(self.findings)


async def opened(store: Away, folder: Path, *, patient: bool) -> None:
    async with AsyncExitStack() as stack:
        await open_for_runner(stack, outbox_over(store, TABLES, folder), "r", patient=patient)
        assert [runner.id for runner in await store.runners()] == ["r"]


async def test_a_service_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sp00ky_core.cli.run.random", lambda: -1.0)  # no wait at all
    await opened(Away(opens=2, beats=1), tmp_path, patient=True)
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    events = [getattr(record, "event", "") for record in caplog.records]
    assert events == ["store_lost", "store_lost", "store_back", "store_lost", "store_back"]


@pytest.mark.parametrize("away", [{"opens": 1}, {"beats": 1}])
async def test_a_batch_does_not(tmp_path: Path, away: dict[str, int]) -> None:
    with pytest.raises(StoreUnavailable):
        await opened(Away(**away), tmp_path, patient=False)


def finding(subject: str, *, stops_jobs: bool) -> Finding:
    return Finding(stops_jobs=stops_jobs, subject=subject, problem="it is bad", consequence="", fix="mend it")


async def test_what_stops_jobs_is_refused(tmp_path: Path) -> None:
    slow, bad, worse = (finding(name, stops_jobs=name != "slow") for name in ("slow", "bad", "worse"))
    await opened(Away(findings=[slow]), tmp_path, patient=True)
    with pytest.raises(SchemaError, match=r"bad: it is bad; mend it \(1 more, see: sp00ky check\)"):
        await opened(Away(findings=[slow, bad, worse]), tmp_path, patient=True)


def test_a_task_that_swallows_cancellations_keeps_no_command(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sp00ky_core.stores.subscription.LEFT_AFTER", 0.05)
    tasks = list[asyncio.Task[None]]()

    async def swallowing(begun: asyncio.Event) -> None:
        begun.set()
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3_600)

    async def work() -> int:
        begun = asyncio.Event()
        tasks.append(asyncio.create_task(swallowing(begun), name="ghost"))
        await begun.wait()
        return 7

    assert run_async(work()) == 7
    assert "ghost doesn't end, however often it is cancelled" in caplog.text
