"""Measure what a process does and how long its queues are: ``outbox.metrics()``, and ``/metrics``."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from http import HTTPStatus
from typing import Protocol
from weakref import WeakSet

import attrs

from sp00ky_core.errors import MetricsMissing, Sp00kyError
from sp00ky_core.observe.rates import Counters
from sp00ky_core.ports import BackendStats, Gauge
from sp00ky_core.stores.named_jobs import NamedJobs, StoreUser

__all__ = ["EXACT"]

EXACT = 10_000
"""Jobs: up to so many are counted, more are estimated."""

STATS_SECONDS = 5.0
"""Seconds that reading the queue may take; a scraper waits for 10 s."""

STATS_KEPT = 1.0
"""Seconds for which what was read is good enough for others who ask."""

STATS_TOLD = 600.0
"""Seconds for which it is told while the queue can't be read: alerts last that long without the database."""


class Measured(Protocol):
    """Deliver jobs: a runner does, or several in processes of their own."""

    @property
    def is_ready(self) -> bool:
        """Whether its claims go through."""

    @property
    def stuck(self) -> Collection[str]:
        """Backends of which it delivers nothing: each place is kept by a call whose time is over."""

    @property
    def in_flight_by_backend(self) -> Mapping[str, int]:
        """Jobs of each backend that it holds now."""

    @property
    def slots_by_backend(self) -> Mapping[str, int]:
        """Attempts of each backend that it can make at a time."""


MeasureExtensions = Callable[[], Awaitable[Sequence[Gauge]]]
"""Measures the tables of all extensions."""


class Measures:
    """Sum up what the runners of one process count, and read the queue of their store.

    Args:
        jobs: The queue.
        extensions: Measures the tables of extensions.
    """

    def __init__(self, jobs: NamedJobs, extensions: MeasureExtensions | None = None) -> None:
        self._jobs, self._extensions = jobs, extensions
        self._tallies: list[Counters] = []  # also of those that have stopped
        self._measured: WeakSet[Measured] = WeakSet()
        self._turn: asyncio.Lock = asyncio.Lock()
        self._stats: Mapping[str, BackendStats] = {}
        self._gauges: Sequence[Gauge] = ()
        self._read_at = self._tried_at = float("-inf")

    def add(self, counters: Counters, measured: Measured) -> None:
        """Measure what delivers, and what it counts."""
        self._tallies.append(counters)
        self._measured.add(measured)

    @property
    def is_ready(self) -> bool:
        """Whether any of what is measured delivers."""
        return any(measured.is_ready for measured in self._measured)

    @property
    def stuck(self) -> Collection[str]:
        """The backends of which some runner here delivers nothing; see ``Measured``."""
        return {name for measured in self._measured for name in measured.stuck}

    async def text(self, *, routes: bool = False) -> str:
        """Write the metrics, those of the queue as it was read last. Raises ``MetricsMissing``."""
        refuse_unmeasured()
        from sp00ky_core.observe.prometheus import exposition  # noqa: PLC0415  # optional

        counters, in_flight, slots = Counters(), Counter[str](), Counter[str]()
        for tally in self._tallies:
            counters.add(tally.attempts.items())
            counters.leases_lost += tally.leases_lost
            counters.store_errors += tally.store_errors
        for measured in self._measured:
            in_flight.update(measured.in_flight_by_backend)
            slots.update(measured.slots_by_backend)
        async with self._turn:
            if time.monotonic() - self._tried_at > STATS_KEPT:
                await self._read()
        age = time.monotonic() - self._read_at
        is_told = age < STATS_TOLD
        stats, gauges = (self._stats, self._gauges) if is_told else ({}, ())
        return exposition(counters, in_flight, stats, gauges, slots=slots, age=age, routes=routes)

    async def _read(self) -> None:
        with suppress(Sp00kyError, TimeoutError):
            async with asyncio.timeout(STATS_SECONDS):
                self._stats = await self._jobs.stats(limit=EXACT)
                self._read_at = time.monotonic()
                self._gauges = await self._extensions() if self._extensions else ()
        self._tried_at = time.monotonic()


def refuse_unmeasured() -> None:
    """Raise ``MetricsMissing`` where the library that writes metrics isn't installed."""
    try:
        import prometheus_client  # noqa: F401, PLC0415  # optional
    except ImportError as error:
        raise MetricsMissing from error


class Metered(StoreUser):
    """Measure an outbox; a base of it."""

    async def _measure_extensions(self) -> Sequence[Gauge]:
        return ()

    @cached_property
    def measures(self) -> Measures:
        """Measure its runners and its queue."""
        return Measures(self.jobs, self._measure_extensions)

    async def metrics(self, *, routes: bool = False) -> str:
        """Return metrics of its runners in this process and of the whole queue, as Prometheus reads them.

        For a route ``/metrics`` of an application that has a runner in it: ``text/plain; version=0.0.4``.
        Where the store can't be reached, those of the queue are as they were read last, for 10 minutes.

        Args:
            routes: Label attempts with their route, too.

        Raises:
            MetricsMissing: ``sp00ky-core[metrics]`` isn't installed.
        """
        return await self.measures.text(routes=routes)


LONGEST_HEAD = 16_384
"""Bytes of a request's head."""

CLIENT_SECONDS = 10.0
"""Seconds that a whole exchange may take: whoever holds a connection open is cut off."""

MOST_CLIENTS = 50
"""Connections at a time; further ones are cut off at once."""

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
        for client in self._clients:
            client.cancel()
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
