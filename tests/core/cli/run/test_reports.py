"""Workers report to their parent, which sums up."""

import json
import os
import signal
from typing import Any

import pytest
from tests.core.cli.run.test_probes import get, port_of
from tests.core.cli.run.test_workers import comes_true, runners

from sp00ky_core.cli.run.reports import Reports


@pytest.fixture
def shared(project: Any, monkeypatch: pytest.MonkeyPatch, sp00ky: Any) -> None:
    monkeypatch.setenv("SP00KY_STORE", f"sqlite:///{project}/jobs.db")
    assert sp00ky("migrate").code == 0


def report(count: int, *, ready: bool = True, in_flight: int = 0) -> bytes:
    counts = [count, 1.5, *[0] * 14, count]
    document = {
        "ready": ready,
        "in_flight": {"api": in_flight},
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
    reports.ended(2)
    assert (reports.is_ready, reports.in_flight_by_backend) == (False, {"api": 1})
    assert reports.counters.attempts["api", "/a", "success", 200][0] == 9


@pytest.mark.parametrize("line", [b"a plugin says hello\n", b"\xff\n", b"[1]\n", b'{"ready": true}\n', b""])
def test_what_a_plugin_prints_is_no_report(line: bytes) -> None:
    reports = Reports()
    assert not reports.add(1, line)
    assert not reports.is_ready
    assert not reports.counters.attempts


@pytest.mark.usefixtures("shared")
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
