"""``sp00ky run --listen``: what probes and Prometheus get."""

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import attrs
import pytest

from sp00ky_core.cli.run import listening, notified
from sp00ky_core.observe.metrics import Measures
from sp00ky_core.observe.rates import Counters


def port_of(process: subprocess.Popen[str], *, deliveries: int = 1) -> str:
    """Read a runner's log until it delivers; the address that it listens on."""
    assert process.stderr is not None
    address, lines = "", list[str]()
    for line in process.stderr:
        lines.append(line)
        if found := re.search(r"http://([^/]+)/readyz", line):
            address = found[1]
        deliveries -= "delivers for" in line
        if not deliveries:
            return address
    raise AssertionError(f"it ended: {lines}")


def get(address: str, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://{address}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_probes_and_metrics(migrated: Path, sp00ky: Any, start: Any) -> None:
    done = sp00ky("call", "api", "/json").out.strip()
    sp00ky("call", "api", "/fails", "--max-retries", "0")
    process = start("run", "--listen", "0")
    address = port_of(process)
    assert get(address, "/livez") == (200, "alive\n")
    assert get(address, "/readyz") == (200, "ready\n")
    assert sp00ky("health", address).out == "ready\n"
    while "success" not in (text := get(address, "/metrics")[1]) or 'code="500"' not in text:
        pass  # the jobs are under way
    assert 'sp00ky_attempts_total{backend="api",code="500",outcome="failed"} 1.0' in text
    assert 'sp00ky_attempt_seconds_count{backend="api"} 2.0' in text
    assert "sp00ky_jobs{" in text
    assert done not in text
    assert "/json" not in text
    assert get(address, "/secret")[0] == 404
    process.terminate()
    assert process.wait(60) == 0


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_without_its_database_it_is_alive_and_not_ready(project: Path, start: Any, path: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        store = f"postgresql://nobody@127.0.0.1:{taken.getsockname()[1]}/none"
        process = start("run", "--listen", "0", "--store", store)
        address = ""
        assert process.stderr is not None
        while not address:
            found = re.search(r"http://([^/]+)/readyz", process.stderr.readline())
            address = found[1] if found else ""
        assert get(address, "/livez")[0] == 200
        if path == "/readyz":
            status, text = get(address, path)
            assert (status, text.startswith("not ready")) == (503, True)
        else:
            assert "sp00ky_store_errors_total" in get(address, path)[1]


def test_an_address_that_is_taken_or_none_is_said_in_one_line(migrated: Path, sp00ky: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        complaint = sp00ky("run", "--listen", str(taken.getsockname()[1])).complaint(2)
    assert "expected a port that no other process has" in complaint
    assert "an address of this host" in sp00ky("run", "--listen", "192.0.2.1:80").complaint(2)
    assert "is no address" in sp00ky("run", "--listen", "80:").complaint(2)
    assert "a host's name" in sp00ky("run", "--listen", f"{'a' * 64}:80").complaint(2)


async def test_without_the_library_the_metrics_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    caplog.set_level("INFO")
    measures = Measures(None)  # type: ignore[arg-type]  # it isn't asked
    async with listening("0.0.0.0:0", measures):
        address = re.findall(r"http://0.0.0.0(:\d+)/", caplog.text)[0]
        status, text = await asyncio.to_thread(get, f"127.0.0.1{address}", "/metrics")
    assert status == 501
    assert "sp00ky_core[metrics]" in text
    assert "sp00ky_core[metrics]" in caplog.text
    assert "for other hosts too" in caplog.text


@attrs.define(eq=False)
class Stuck:
    """What delivers nothing of a backend, for no place is free."""

    is_ready: bool = False
    stuck: Collection[str] = ("api",)
    in_flight_by_backend: Mapping[str, int] = attrs.field(factory=dict)
    slots_by_backend: Mapping[str, int] = attrs.field(factory=dict)


async def test_a_runner_without_a_free_place_is_not_ready_and_says_of_what(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    measures, stuck = Measures(None), Stuck()  # type: ignore[arg-type]  # it isn't asked
    measures.add(Counters(), stuck)
    async with listening("127.0.0.1:0", measures):
        address = re.findall(r"http://(127.0.0.1:\d+)/", caplog.text)[0]
        status, text = await asyncio.to_thread(get, address, "/readyz")
    assert (status, text.startswith("not ready: api: each place is kept")) == (503, True)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


async def test_it_says_up_alive_and_stopping(manager: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    environment = {
        "NOTIFY_SOCKET": manager.getsockname(),
        "WATCHDOG_USEC": "20000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    async with notified(environment):
        said = [await loop.sock_recv(manager, 100) for _ in range(4)]
    assert said == [b"READY=1", *[b"WATCHDOG=1"] * 3]
    rest = [b"WATCHDOG=1"]
    while rest[-1] == b"WATCHDOG=1":
        rest.append(await loop.sock_recv(manager, 100))
    assert rest[-1] == b"STOPPING=1"


@pytest.mark.parametrize("more", [{}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}])
async def test_without_a_watchdog_it_says_up_and_stopping(
    manager: socket.socket, more: dict[str, str]
) -> None:
    async with notified({"NOTIFY_SOCKET": manager.getsockname(), **more}):
        await asyncio.sleep(0.01)
    assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"STOPPING=1"]


@pytest.mark.parametrize(
    "environment", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}, {"NOTIFY_SOCKET": "@gone"}]
)
async def test_without_systemd_nothing_is_said(environment: dict[str, str]) -> None:
    async with notified(environment):
        await asyncio.sleep(0)
