"""The suite of transports of any scheme, on one that speaks lines of JSON over TCP; and what it catches."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import attrs
import pytest
import pytest_asyncio

from sp00ky_conformance import TransportConformance
from sp00ky_conformance.transport.peer import refusing
from sp00ky_core.job.outcome import (
    CONNECT,
    INVALID_PATH,
    INVALID_PAYLOAD,
    RESET,
    TIMEOUT,
    Delivered,
    Outcome,
    Undelivered,
)
from sp00ky_core.ports import Attempt
from sp00ky_openapi import path_problem


@attrs.frozen
class Line:
    body: bytes


CONFIRMED_BEFORE = 0.02
"""Seconds after its answer that a request is read, as a broker's consumer does."""


class Lines:
    """A backend that answers each line ``[path, payload]`` by ``ok`` or ``no``."""

    def __init__(self) -> None:
        self.requests: list[Line] = []
        self._arrival = asyncio.Condition()
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"lines://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for writer in self._serving.values():
            writer.transport.abort()
        await asyncio.gather(*self._serving)

    async def received(self, count: int = 1) -> Line:
        async with self._arrival:
            await self._arrival.wait_for(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = writer
        try:
            path, payload = json.loads(await reader.readline())
            if path != "/hang":
                writer.write(b"ok\n" if path == "/json" else b"no\n")
                await writer.drain()
                await asyncio.sleep(CONFIRMED_BEFORE)
            async with self._arrival:
                self.requests.append(Line(payload.encode()))
                self._arrival.notify_all()
            if path == "/hang":
                await reader.read()
        except (ConnectionError, ValueError):
            pass
        finally:
            del self._serving[task]
            writer.close()


class LinesTransport:
    """The least that a transport is."""

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def deliver(self, attempt: Attempt) -> Outcome:
        refused = self.refusal(attempt)
        if refused is not None:
            return refused
        try:
            async with asyncio.timeout(attempt.timeout):
                return await self.exchange(attempt)
        except TimeoutError:
            return Undelivered(name=TIMEOUT, reason="no answer in time")

    def refusal(self, attempt: Attempt) -> Undelivered | None:
        if path_problem(attempt.job.path) or attempt.job.path != attempt.operation.path:
            return Undelivered(name=INVALID_PATH, reason="not a path of its route")
        try:
            payload = json.loads(attempt.job.payload_json.decode(), parse_constant=int)
        except (ValueError, RecursionError):
            payload = None
        if not isinstance(payload, dict):
            return Undelivered(name=INVALID_PAYLOAD, reason="not a JSON object")
        return None

    async def exchange(self, attempt: Attempt) -> Outcome:
        place = urlsplit(attempt.backend.base_url)
        try:
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
        except OSError:
            return Undelivered(name=CONNECT, reason="no connection")
        try:
            line = json.dumps([attempt.job.path, attempt.job.payload_json.decode()])
            writer.write(f"{line}\n".encode())
            answer = await reader.readline()
        finally:
            writer.transport.abort()
        if answer == b"ok\n":
            return Delivered()
        return Undelivered(name="refused" if answer else RESET, reason="it said no")


class TestLinesTransport(TransportConformance):
    @pytest.fixture
    def transport(self) -> LinesTransport:
        return LinesTransport()

    @pytest_asyncio.fixture
    async def server(self) -> AsyncIterator[Lines]:
        async with Lines() as lines:
            yield lines

    @pytest.fixture
    def nowhere(self) -> Iterator[str]:
        with refusing() as place:
            yield f"lines://{place}"


class Twice(LinesTransport):
    async def exchange(self, attempt: Attempt) -> Outcome:
        await super().exchange(attempt)
        return await super().exchange(attempt)


class Deaf(LinesTransport):
    async def deliver(self, attempt: Attempt) -> Outcome:
        try:
            return await super().deliver(attempt)
        except asyncio.CancelledError:
            return Undelivered(name=RESET, reason="cancelled")


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Twice, "test_the_payload_arrives_byte_for_byte_and_once"),
        (Deaf, "test_cancelling_ends_a_delivery_and_spoils_no_other"),
    ],
)
async def test_a_broken_transport_is_caught(broken: type[LinesTransport], test: str) -> None:
    async with Lines() as lines:
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            await getattr(TestLinesTransport(), test)(broken(), lines)
