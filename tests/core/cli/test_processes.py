"""Several processes under one: they share the work, are started again when they die, and drain together."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.core.cli.conftest import comes_true, until
from tests.core.cli.test_probes import get, port_of

from sp00ky_core.cli.processes import Reports, Supervisor
from sp00ky_core.ports import BUCKETS

pytestmark = pytest.mark.usefixtures("heard")


@pytest.fixture
def shared(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that processes share, without its tables."""
    monkeypatch.setenv("SP00KY_STORE", f"sqlite:///{project}/jobs.db")


@pytest.fixture
def ready(shared: None, sp00ky: Any) -> None:
    assert sp00ky("migrate").code == 0


def runners(sp00ky: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sp00ky("runners", "list", "--json").json["runners"]
    return found


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_they_share_the_work_and_drain_together(start: Any, sp00ky: Any, number: signal.Signals) -> None:
    process = start("run", "--workers", "2", "--poll", "0.1")
    until(process, "delivers for api", 2)
    assert sp00ky("call", "api", "/json", "--wait", "--json").json["status"] == "success"
    assert len({runner["pid"] for runner in runners(sp00ky)} - {process.pid}) == 2
    process.send_signal(number)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "draining 2 workers" in err
    assert err.count("stopped:") == 2
    assert runners(sp00ky) == []


@pytest.mark.usefixtures("ready")
def test_one_that_dies_is_started_again(start: Any, sp00ky: Any) -> None:
    process = start("run", "--workers", "2")
    until(process, "delivers for api", 2)
    os.kill(runners(sp00ky)[0]["pid"], signal.SIGKILL)
    assert "ended with -9 and is started again" in "".join(until(process, "delivers for api"))
    process.terminate()
    process.communicate(timeout=240)
    assert process.returncode == 0


@pytest.mark.usefixtures("ready")
def test_a_signal_to_one_drains_it_however_often(start: Any, sp00ky: Any, misbehaving: Any) -> None:
    """Systemd and a terminal send it to each process beside the parent."""
    sp00ky("call", "api", "/hang")
    seen = len(misbehaving.requests)
    process = start("run", "--workers", "1", "--grace", "0.5")
    until(process, "delivers for api")
    comes_true(lambda: len(misbehaving.requests) > seen)
    (worker,) = runners(sp00ky)
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(worker["pid"], number)
    process.terminate()
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err


@pytest.mark.usefixtures("ready")
def test_they_drain_when_their_parent_dies(start: Any, sp00ky: Any) -> None:
    process = start("run", "--workers", "2")
    until(process, "delivers for api", 2)
    process.kill()
    _, err = process.communicate(timeout=240)
    assert err.count("stopped:") == 2
    assert runners(sp00ky) == []


@pytest.mark.usefixtures("shared")
def test_what_keeps_one_from_starting_ends_all(start: Any) -> None:
    process = start("run", "--workers", "2")
    _, err = process.communicate(timeout=240)
    assert process.returncode == 1
    assert "sp00ky migrate" in err
    assert "started again" not in err


@pytest.mark.parametrize("count", ["2", "auto"])
def test_an_embedded_database_is_one_processs(migrated: Path, sp00ky: Any, count: str) -> None:
    assert "one process alone" in sp00ky("run", "--workers", count).complaint(2)


def supervised(count: int, script: str, *arguments: str) -> Supervisor:
    command = [sys.executable, "-c", script, *arguments]
    return Supervisor(command=command, environment=os.environ, count=count, once=False)


ONE_STARTS_WHILE_THE_OTHER_DIES = """
import os, sys
place, meeting = sys.argv[1:]

def is_first(name):
    try:
        os.mkdir(f"{place}/{name}")
    except FileExistsError:
        return False
    return True

if is_first("one"):
    with open(meeting, "w"):  # the other runs
        print("started", flush=True)
elif is_first("other"):
    open(meeting).read()  # until the first has started
    sys.exit(1)
else:
    print("started again")
"""


async def test_one_that_dies_as_another_starts_does_not_keep_it_from_having_started(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "meeting")
    script = ONE_STARTS_WHILE_THE_OTHER_DIES
    async with asyncio.timeout(60):
        code = await supervised(2, script, str(tmp_path), str(tmp_path / "meeting")).run()
    assert code == 0  # the one that died was started again


def report(count: int, *, ready: bool = True, in_flight: int = 0) -> bytes:
    counts = [count, 1.5, *[0] * (BUCKETS - 1), count]
    document = {
        "ready": ready,
        "in_flight": {"api": in_flight},
        "slots": {"api": 10 if ready else 0},
        "attempts": [[["api", "/a", "success", 200], counts]],
        "leases_lost": 1,
        "store_errors": 2,
    }
    return json.dumps(document).encode()


def test_what_workers_report_is_summed_up_also_of_those_that_have_ended() -> None:
    reports = Reports()
    assert not reports.is_ready
    reports.add(1, report(3, in_flight=4))
    reports.add(2, report(5, in_flight=6))
    reports.add(1, report(1, in_flight=1, ready=False))
    assert reports.counters.attempts["api", "/a", "success", 200][:2] == [9, 4.5]
    assert (reports.counters.leases_lost, reports.counters.store_errors) == (3, 6)
    assert (reports.is_ready, reports.in_flight_by_backend) == (True, {"api": 7})
    assert (reports.slots_by_backend, reports.stuck) == ({"api": 10}, [])
    reports.ended(2)
    assert (reports.is_ready, reports.in_flight_by_backend) == (False, {"api": 1})
    assert reports.stuck == ["api"]
    assert reports.counters.attempts["api", "/a", "success", 200][0] == 9


@pytest.mark.parametrize("line", [b"a plugin says hello\n", b"\xff\n", b"[1]\n", b'{"ready": true}\n', b""])
def test_what_a_plugin_prints_is_no_report(line: bytes) -> None:
    reports = Reports()
    assert not reports.add(1, line)
    assert not reports.is_ready
    assert not reports.counters.attempts


@pytest.mark.usefixtures("ready")
def test_the_parent_serves_and_sums(start: Any, sp00ky: Any) -> None:
    process = start("run", "--workers", "2", "--listen", "0", "--poll", "0.1")
    address = port_of(process, deliveries=2)
    comes_true(lambda: get(address, "/readyz")[0] == 200)

    def delivered(count: int) -> bool:
        text = get(address, "/metrics")[1]
        wanted = f'sp00ky_attempts_total{{backend="api",code="200",outcome="success"}} {count}.0'
        return wanted in text and f'sp00ky_jobs{{backend="api",status="success"}} {count}.0' in text

    for _ in range(5):
        sp00ky("call", "api", "/json")
    comes_true(lambda: delivered(5))
    os.kill(runners(sp00ky)[0]["pid"], signal.SIGKILL)
    sp00ky("call", "api", "/json", "--wait")
    comes_true(lambda: delivered(6))
    process.terminate()
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
