"""What Prometheus reads."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sp00ky_conformance import FaultyStore
from sp00ky_conformance.faults import Fault
from sp00ky_core.errors import MetricsMissing
from sp00ky_core.observe.metrics import LONGEST_HEAD, MOST_CLIENTS, Answer, Measures, TextServer
from sp00ky_core.observe.prometheus import exposition
from sp00ky_core.observe.rates import Counters
from sp00ky_core.ports import Gauge


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Each sample by its name and its labels' values."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def counters() -> Counters:
    made = Counters()
    made.attempt(("api", "/a", "success", 200), 0.2)
    made.attempt(("api", "/b", "success", 200), 0.02)
    made.attempt(("api", "", "failed", 0))
    made.leases_lost, made.store_errors = 3, 4
    return made


def test_what_a_process_counts() -> None:
    found = samples(exposition(counters(), {"api": 7}, None))
    assert found["sp00ky_attempts_total", "api", "200", "success"] == 2
    assert found["sp00ky_attempts_total", "api", "0", "failed"] == 1
    assert found["sp00ky_attempt_seconds_bucket", "api", "0.025"] == 1
    assert found["sp00ky_attempt_seconds_bucket", "api", "0.25"] == 2
    assert found["sp00ky_attempt_seconds_bucket", "api", "+Inf"] == 2
    assert found["sp00ky_attempt_seconds_sum", "api"] == 0.22
    assert found["sp00ky_in_flight", "api"] == 7
    assert (found["sp00ky_lease_lost_total",], found["sp00ky_store_errors_total",]) == (3, 4)
    assert not any(key[0] == "sp00ky_jobs" for key in found), "the queue couldn't be read"


async def test_all_runners_of_a_process_are_one(make_bench: Any) -> None:
    bench = await make_bench()
    measures = Measures(bench.jobs())
    assert not measures.is_ready
    for _ in range(2):
        runner = bench.runner()
        measures.add(runner.observer.counters, runner)
        async with runner:
            await bench.ended(await bench.add())
            assert measures.is_ready
    gc.collect()
    assert not measures.is_ready
    text = await measures.text()
    assert 'sp00ky_attempts_total{backend="api",code="200",outcome="success"} 2.0' in text
    assert 'sp00ky_jobs{backend="api",status="success"} 2.0' in text


async def test_the_queue_is_read_once_for_many_who_ask(make_bench: Any) -> None:
    bench = await make_bench()
    reads = []

    def fault(method: str) -> Fault | None:
        reads.append(method)
        return None

    measures = Measures(bench.jobs(FaultyStore(bench.store, fault)))
    await asyncio.gather(*(measures.text() for _ in range(20)))
    assert reads.count("stats") == 1


async def test_a_store_that_is_away_leaves_the_queue_out(make_bench: Any) -> None:
    bench = await make_bench()
    measures = Measures(bench.jobs(FaultyStore(bench.store, lambda _: Fault())))
    text = await measures.text()
    assert "sp00ky_jobs" not in text
    assert "sp00ky_store_errors_total" in text


async def test_numbers_of_extensions_stand_beside_the_queues(make_bench: Any) -> None:
    bench = await make_bench()

    async def measured() -> list[Gauge]:
        return [Gauge(name="sp00ky_notes", text="Notes.", values={"": 3})]

    text = await Measures(bench.jobs(), measured).text()
    assert "sp00ky_notes 3.0" in text
    assert "sp00ky_jobs" in text


CLOCK = "sp00ky_core.observe.metrics.time"


async def test_the_library_that_is_missing_is_named(make_bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await make_bench()
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MetricsMissing, match=r"sp00ky_core\[metrics\]"):
        await Measures(bench.jobs()).text()


async def page() -> Answer:
    return Answer("hällo\n")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = TextServer({"/page": page})
    yield await server.open("127.0.0.1", 0)
    await server.close()


async def exchange(port: int, request: bytes) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return (await reader.read()).decode()
    except ConnectionError:
        return ""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        ("GET /page HTTP/1.1", "200 OK", "hällo\n"),
        ("GET /page?x=1 HTTP/1.0", "200 OK", "hällo\n"),
        ("HEAD /page HTTP/1.1", "200 OK", ""),
        ("GET /other HTTP/1.1", "404 Not Found", "no such page\n"),
        ("POST /page HTTP/1.1", "405 Method Not Allowed", "only GET\n"),
        ("nonsense", "405 Method Not Allowed", "only GET\n"),
    ],
)
async def test_a_get_is_answered(port: int, request_line: str, status: str, body: str) -> None:
    answer = await exchange(port, f"{request_line}\r\nHost: x\r\n\r\n".encode())
    head, _, rest = answer.partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status}\r\n")
    assert rest == body
    assert f"Content-Length: {len(body.encode())}" in head or not body


@pytest.mark.parametrize("request_", [b"GET /page\r\n" + b"x" * LONGEST_HEAD * 2 + b"\r\n\r\n"])
async def test_a_head_without_end_is_cut_off(port: int, request_: bytes) -> None:
    assert await exchange(port, request_) == ""
    assert "hällo" in await exchange(port, b"GET /page HTTP/1.1\r\n\r\n")


async def test_who_holds_connections_open_uses_up_little(port: int) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MOST_CLIENTS)]
    assert await exchange(port, b"GET /page HTTP/1.1\r\n\r\n") == ""
    for _, writer in idle:
        writer.close()
        await writer.wait_closed()
    while "hällo" not in await exchange(port, b"GET /page HTTP/1.1\r\n\r\n"):  # noqa: ASYNC110  # over TCP
        await asyncio.sleep(0.01)
