"""What is on the wire can hold nothing but what was meant, whatever a row or a plugin says."""

import asyncio
from collections.abc import Iterator

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.transport_http.engine import ENGINES, EngineTransport

from sp00ky_conformance.transport.attempts import attempt_for
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import Attempt

NAMES = {"host", "accept", "accept-encoding", "user-agent", "content-type", "authorization"}
NAMES |= {"idempotency-key", "sp00ky-attempt", "content-length", "traceparent", "connection", "x-fine"}
SPLITS = ["\r\n\r\nGET /", "\r\nX-Evil: 1", "\0"]
text = st.text(st.characters(codec=None), max_size=60) | st.sampled_from(SPLITS)


class Wire:
    """A backend that keeps what is sent to it, byte for byte, and the transport that sends it."""

    def __init__(self, engine: str) -> None:
        self.loop = asyncio.Runner()
        self.transport = EngineTransport(engine)
        self.loop.run(self.transport.open())
        self.server = self.loop.run(self._serve())
        self.host = f"127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def _serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._answer, "127.0.0.1", 0)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sent = bytearray()
        while not self.sent.endswith(b"{}"):
            self.sent += await reader.read(65_536)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        self.sent += await reader.read()  # nothing may follow the request
        writer.close()

    def message(self, attempt: Attempt) -> bytes:
        assert self.loop.run(self.transport.deliver(attempt)) == Delivered(code=200)
        return bytes(self.sent)

    def close(self) -> None:
        self.loop.run(self.transport.close())
        self.server.close()
        self.loop.close()


@pytest.fixture(scope="module", params=ENGINES)
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    wire = Wire(request.param)
    yield wire
    wire.close()


@given(job_id=text, traceparent=text, name=text | st.just("X-Fine"), value=text, last=st.booleans())
def test_a_message_is_one_request_with_the_headers_that_were_meant(
    wire: Wire, job_id: str, traceparent: str, name: str, value: str, last: bool
) -> None:
    attempt = attempt_for(f"http://{wire.host}/v1", "/json", headers={name: value}, last=last)
    job = attrs.evolve(attempt.job, id=job_id, traceparent=traceparent)
    head, _, body = wire.message(attrs.evolve(attempt, job=job)).partition(b"\r\n\r\n")
    assert body == job.payload_json == b"{}"
    first, *lines = head.split(b"\r\n")
    assert first == b"POST /v1/json HTTP/1.1"
    names = [line.partition(b": ")[0].decode().lower() for line in lines]
    assert len(set(names)) == len(names)
    assert set(names) <= NAMES | {name.lower()}
    assert {f"host: {wire.host}", f"content-length: {len(body)}"} <= set(head.decode().lower().split("\r\n"))
    for line in lines:
        assert not set(line) & set(b"\r\n\0")
