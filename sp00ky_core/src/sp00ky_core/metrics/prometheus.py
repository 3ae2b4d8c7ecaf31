"""Expose metrics to Prometheus: families, what an outbox knows of its queues, an HTTP server."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from http import HTTPStatus
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

import attrs
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from sp00ky_core.errors import MetricsMissing, Sp00kyError
from sp00ky_core.event_loop import StoreUser
from sp00ky_core.metrics.observer import COUNT, FIRST_BUCKET, SECONDS, Counters, Counts
from sp00ky_core.ports import BUCKET_BOUNDS, BUCKETS, BackendStats
from sp00ky_core.stores.naming import NamedJobs

__all__ = [
    "exposition",
    "EXACT",
    "Measured",
    "Measures",
    "Metered",
    "refuse_unmeasured",
    "Answer",
    "TextServer",
]

STATUSES = ("pending", "processing", "success", "failed")
BOUNDS = (*map(str, BUCKET_BOUNDS), "+Inf")


def exposition(
    counters: Counters,
    in_flight: Mapping[str, int],
    stats: Mapping[str, BackendStats] | None,
    *,
    routes: bool = False,
) -> str:
    """Write the text of ``/metrics``.

    Args:
        counters: What this process has counted.
        in_flight: Attempts that it makes now, by backend.
        stats: The queue; None: it can't be read now, and its metrics are left out.
        routes: Label attempts with their route, too.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families([*_counted(counters, in_flight, routes=routes), *_queue(stats or {})]))
    return generate_latest(registry).decode()


class _Families(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _counted(counters: Counters, in_flight: Mapping[str, int], *, routes: bool) -> Iterator[Metric]:
    yield _attempts(counters, routes=routes)
    yield _seconds(counters)
    yield _gauge("in_flight", "Attempts that this process makes now.", in_flight)
    lost = "Outcomes that weren't written, for the job's lease was lost."
    yield CounterMetricFamily("sp00ky_lease_lost", lost, value=counters.leases_lost)
    failed = "Calls of the store that failed."
    yield CounterMetricFamily("sp00ky_store_errors", failed, value=counters.store_errors)


def _attempts(counters: Counters, *, routes: bool) -> Metric:
    labels = ["backend", "outcome", "code", *["path"] * routes]
    sums: dict[tuple[str, ...], float] = {}
    for (backend, path, outcome, code), counts in counters.attempts.items():
        key = (backend, outcome, str(code), *[path] * routes)
        sums[key] = sums.get(key, 0) + counts[COUNT]
    family = CounterMetricFamily("sp00ky_attempts", "Attempts that have ended.", labels=labels)
    for key, count in sums.items():
        family.add_metric(key, count)
    return family


def _seconds(counters: Counters) -> Metric:
    sums: dict[str, Counts] = {}
    for (backend, *_), counts in counters.attempts.items():
        known = sums.get(backend, [0.0] * len(counts))
        sums[backend] = [one + other for one, other in zip(known, counts, strict=True)]
    family = HistogramMetricFamily("sp00ky_attempt_seconds", "How long attempts took.", labels=["backend"])
    for backend, counts in sums.items():
        buckets = accumulate(counts[FIRST_BUCKET : FIRST_BUCKET + BUCKETS])
        family.add_metric([backend], list(zip(BOUNDS, buckets, strict=True)), sum_value=counts[SECONDS])
    return family


def _queue(stats: Mapping[str, BackendStats]) -> Iterator[Metric]:
    """Describe the whole queue: the same from every process."""
    if not stats:
        return
    jobs = GaugeMetricFamily("sp00ky_jobs", "Jobs of the whole queue.", labels=["backend", "status"])
    for backend, each in stats.items():
        for status in STATUSES:
            jobs.add_metric([backend, status], getattr(each, status))
    yield jobs
    numbers: dict[str, tuple[str, Callable[[BackendStats], float]]] = {
        "stalled": ("Jobs whose lease is over.", lambda each: each.stalled),
        "deferred": ("Pending jobs that were throttled.", lambda each: each.deferred),
        "oldest_due_seconds": ("Age of the job that is due longest.", lambda each: each.oldest_due_s or 0.0),
        "breaker_open": ("1: the backend is unavailable.", lambda each: each.breaker.state != "closed"),
        "paused": ("1: an operator has paused the backend.", lambda each: each.paused is not None),
    }
    for name, (text, number) in numbers.items():
        yield _gauge(name, text, {backend: float(number(each)) for backend, each in stats.items()})


def _gauge(name: str, text: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"sp00ky_{name}", text, labels=["backend"])
    for backend, value in values.items():
        family.add_metric([backend], value)
    return family


if TYPE_CHECKING:
    from sp00ky_core.runner import Runner


EXACT = 10_000
"""Jobs: up to so many are counted, more are estimated."""

STATS_SECONDS = 5.0
"""For reading the queue; a scraper waits for 10 s."""

STATS_KEPT = 1.0
"""Seconds for which what was read is good enough for others who ask."""


class Measured(Protocol):
    """Deliver jobs: a runner does, or several in processes of their own."""

    @property
    def is_ready(self) -> bool:
        """Whether its claims go through."""

    @property
    def in_flight_by_backend(self) -> Mapping[str, int]:
        """Jobs of each backend that it holds now."""


class Measures:
    """Sum up what the runners of one process count, and read the queue of their store."""

    def __init__(self, jobs: NamedJobs) -> None:
        self._jobs = jobs
        self._tallies: list[Counters] = []  # also of those that have stopped
        self._measured: WeakSet[Measured] = WeakSet()
        self._turn: asyncio.Lock = asyncio.Lock()
        self._stats: Mapping[str, BackendStats] | None = None
        self._read_at = float("-inf")

    def add(self, counters: Counters, measured: Measured) -> None:
        """Measure what delivers, and what it counts."""
        self._tallies.append(counters)
        self._measured.add(measured)

    def watched(self, runner: Runner) -> Runner:
        """Measure a runner."""
        self.add(runner.observer.counters, runner)
        return runner

    @property
    def is_ready(self) -> bool:
        """Whether any of what is measured delivers."""
        return any(each.is_ready for each in self._measured)

    async def text(self, *, routes: bool = False) -> str:
        """Write the metrics, without those of the queue where it can't be read. Raises ``MetricsMissing``."""
        refuse_unmeasured()
        from sp00ky_core.metrics.prometheus import exposition  # noqa: PLC0415  # optional

        counters, in_flight = Counters(), Counter[str]()
        for each in self._tallies:
            counters.add(each.attempts.items())
            counters.leases_lost += each.leases_lost
            counters.store_errors += each.store_errors
        for measured in self._measured:
            in_flight.update(measured.in_flight_by_backend)
        return exposition(counters, in_flight, await self._queue(), routes=routes)

    async def _queue(self) -> Mapping[str, BackendStats] | None:
        async with self._turn:
            if time.monotonic() - self._read_at > STATS_KEPT:
                self._stats = await self._read()
                self._read_at = time.monotonic()
        return self._stats

    async def _read(self) -> Mapping[str, BackendStats] | None:
        try:
            async with asyncio.timeout(STATS_SECONDS):
                return await self._jobs.stats(limit=EXACT)
        except (Sp00kyError, TimeoutError):
            return None


def refuse_unmeasured() -> None:
    """Raise ``MetricsMissing`` where the library that writes metrics isn't installed."""
    try:
        import prometheus_client  # noqa: F401, PLC0415  # optional
    except ImportError as error:
        raise MetricsMissing from error


class Metered(StoreUser):
    """Measure an outbox; a base of it."""

    @cached_property
    def measures(self) -> Measures:
        """Measure its runners and its queue."""
        return Measures(self.jobs)

    async def metrics(self, *, routes: bool = False) -> str:
        """Return metrics of its runners in this process and of the whole queue, as Prometheus reads them.

        For a route ``/metrics`` of an application that has a runner in it: ``text/plain; version=0.0.4``.
        Where the store can't be reached, the metrics of the queue are missing.

        Args:
            routes: Label attempts with their route, too.

        Raises:
            MetricsMissing: ``sp00ky-core[metrics]`` isn't installed.
        """
        return await self.measures.text(routes=routes)


LONGEST_HEAD = 16_384
"""Bytes of a request's head."""

CLIENT_SECONDS = 10.0
"""For a whole exchange: who holds a connection open is cut off."""

MOST_CLIENTS = 50
"""At a time; others are cut off at once."""

ALLOW = {HTTPStatus.METHOD_NOT_ALLOWED: "Allow: GET, HEAD\r\n"}


@attrs.frozen
class Answer:
    """An answer.

    Attributes:
        text: Its body.
        status: Its status.
        kind: The body's type.
    """

    text: str
    status: HTTPStatus = HTTPStatus.OK
    kind: str = "text/plain; charset=utf-8"


class TextServer:
    """Answers requests.

    Args:
        pages: What answers a GET of a path.
    """

    def __init__(self, pages: Mapping[str, Callable[[], Awaitable[Answer]]]) -> None:
        self._pages = pages
        self._clients: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; return the port, a free one where 0 is given. Raises ``OSError`` or ``UnicodeError``."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=LONGEST_HEAD)
        chosen: int = self._server.sockets[0].getsockname()[1]
        return chosen

    async def close(self) -> None:
        """Listen no more, and cut off whoever is served."""
        if self._server is not None:
            self._server.close()
        for each in self._clients:
            each.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= MOST_CLIENTS:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, EOFError, asyncio.LimitOverrunError):
            try:
                async with asyncio.timeout(CLIENT_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(await self._answered(head))
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
            finally:
                writer.transport.abort()

    async def _answered(self, head: bytes) -> bytes:
        method, _, rest = head.decode("latin-1").partition(" ")
        path = rest.split(" ", 1)[0].partition("?")[0]
        answer = await self._answer(method, path)
        body = answer.text.encode()
        lines = (
            f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\nContent-Type: {answer.kind}\r\n"
            f"Content-Length: {len(body)}\r\n{ALLOW.get(answer.status, '')}"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        return lines.encode() + (b"" if method == "HEAD" else body)

    async def _answer(self, method: str, path: str) -> Answer:
        if method not in {"GET", "HEAD"}:
            return Answer("only GET\n", HTTPStatus.METHOD_NOT_ALLOWED)
        page = self._pages.get(path)
        return await page() if page else Answer("no such page\n", HTTPStatus.NOT_FOUND)
