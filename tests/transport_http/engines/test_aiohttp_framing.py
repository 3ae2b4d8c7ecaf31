"""Whatever packets a response comes in, its head decides, and what follows it is no one's."""

import asyncio
import gc
import logging
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.transport_http.engine import ENGINES, EngineTransport

from sp00ky_conformance.transport.attempts import attempt_for
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SIZED = HEAD + b"Content-Length: 2\r\n\r\n{}"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
OLD = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"old"'
TOKEN = 'gh0st+s3cret/t0ken==&"x'


class Scene:
    """A transport, and a backend that answers as it is told, and then with ``SIZED``."""

    def __init__(self, engine: str) -> None:
        self._loop = asyncio.Runner(debug=True)
        self._transport = EngineTransport(engine)
        self._packets: list[bytes] = []
        self.connections = self.requests = 0
        self._server = self._loop.run(self._open())

    async def _open(self) -> asyncio.Server:
        await self._transport.open()
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await reader.readuntil(b"{}")
                self.requests += 1
                packets, self._packets = self._packets or [SIZED], []
                for packet in packets:
                    writer.write(packet)
                    await writer.drain()
                    await asyncio.sleep(0)
                if packets[-1] == b"":
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.close()

    def outcomes(self, packets: Sequence[bytes], *, count: int = 1, token: str = TOKEN) -> list[Outcome]:
        """Of attempts one after another, the first of which gets these packets; an empty one closes."""

        async def deliver() -> list[Outcome]:
            self._packets, self.connections, self.requests = list(packets), 0, 0
            port = self._server.sockets[0].getsockname()[1]
            attempt = attempt_for(f"http://127.0.0.1:{port}", "/json", token=token)
            found = [await self._transport.deliver(attempt) for _ in range(count)]
            await self._transport.close()
            await self._transport.open()
            assert self.requests == count
            return found

        return self._loop.run(deliver())

    def close(self) -> None:
        self._loop.run(self._transport.close())
        self._server.close()
        self._loop.close()


@pytest.fixture(scope="module", params=ENGINES)
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    scene = Scene(request.param)
    yield scene
    scene.close()


def named(outcome: Outcome) -> tuple[int, str]:
    return outcome.code, outcome.name if isinstance(outcome, Undelivered) else "delivered"


RESPONSES = {
    "sized": (SIZED, (200, "delivered"), b"{}"),
    "chunked": (CHUNKED + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", (200, "delivered"), b"{}"),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\nX: y\r\n\r\n", (200, "delivered"), b"{}"),
    "blank lines": (CHUNKED + b"32\r\n[" + b"\r\n" * 24 + b"]\r\n0\r\n\r\n", (200, "delivered"), None),
    "until the end": (HEAD + b"\r\n{}", (200, "delivered"), b"{}"),
    "interim": (INTERIM * 16 + SIZED, (200, "delivered"), b"{}"),
    "interim, empty lines": (INTERIM + b"\r\n\r\n" + SIZED, (200, "delivered"), b"{}"),
    "too many": (INTERIM * 17 + SIZED, (0, "protocol"), None),
    "bare line feeds": (SIZED.replace(b"\r\n", b"\n"), (200, "delivered"), b"{}"),
    "no content": (b"HTTP/1.1 204 No\r\n\r\n", (204, "delivered"), None),
    "body on 204": (SIZED.replace(b"200 OK", b"204 No"), (204, "delivered"), None),
    "body on 304": (SIZED.replace(b"200 OK", b"304 No"), (304, "http_status"), None),
    "two lengths": (SIZED.replace(b"Content-L", b"Content-Length: 2\r\nContent-L"), (0, "protocol"), None),
    "length of chunks": (CHUNKED[:-2] + b"Content-Length: 9\r\n\r\nghost\r\n{}", (0, "protocol"), None),
    "bad chunk": (CHUNKED + b"ghost\r\n{}", (200, "delivered"), None),
    "late bad chunk": (CHUNKED + b"2\r\n{}\r\nghost\r\n", (200, "delivered"), None),
    "bad failure": (CHUNKED.replace(b"200 OK", b"503 No") + b"-1\r\n{}", (503, "http_status"), None),
    "torn": (HEAD + b"Content-Length: 9\r\n\r\n{}", (200, "delivered"), None),
    "no head": (HEAD, (0, "reset"), None),
    "bad head": (HEAD + b"gh0st\r\n\r\n{}", (0, "protocol"), None),
    "bad version": (b"HTTP/9.9 200 OK\r\n\r\n", (0, "protocol"), None),
}


@given(name=st.sampled_from(sorted(RESPONSES)), cuts=st.lists(st.integers(0, 800), max_size=6))
@example(name="blank lines", cuts=[])
@example(name="bad chunk", cuts=[])
@example(name="body on 204", cuts=[])
@example(name="body on 304", cuts=[])
@example(name="two lengths", cuts=[])
@example(name="length of chunks", cuts=[])
def test_packets_make_no_difference(scene: Scene, name: str, cuts: list[int]) -> None:
    response, expected, result = RESPONSES[name]
    ends = [0, *sorted(cut % len(response) for cut in cuts), len(response)]
    packets = [response[start:end] for start, end in pairwise(ends) if start < end]
    (outcome,) = scene.outcomes([*packets, b""])
    assert named(outcome) == expected
    if result is not None:
        assert isinstance(outcome, Delivered)
        assert outcome.result == result


@pytest.mark.parametrize("name", ["sized", "chunked", "trailers", "blank lines", "interim", "no content"])
def test_a_connection_is_kept_after_a_whole_response(scene: Scene, name: str) -> None:
    first, second = scene.outcomes([RESPONSES[name][0]], count=2)
    assert named(first) == RESPONSES[name][1]
    assert second == Delivered(code=200, result=b"{}")
    assert scene.connections == 1


@pytest.mark.parametrize("name", ["sized", "chunked", "trailers", "blank lines", "interim", "no content"])
@pytest.mark.parametrize("junk", [OLD, b"\r\n\r\n" + OLD, OLD * 20, b"x"])
@pytest.mark.parametrize("apart", [False, True])
def test_what_follows_a_response_is_not_the_next_jobs(
    scene: Scene, name: str, junk: bytes, apart: bool
) -> None:
    response, expected, _ = RESPONSES[name]
    first, second = scene.outcomes([response, junk] if apart else [response + junk], count=2)
    assert named(first) == expected
    # In a packet of its own it may come when the next request has been sent: then that one has no answer.
    assert second == Delivered(code=200, result=b"{}") or (apart and named(second) in SPOILT)


SPOILT = {(0, "reset"), (0, "protocol")}
"""A request that was sent on a connection which turned out to be bad; it was sent once."""


ECHOES = {
    "bad chunk": b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
    "late bad chunk": b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n%s\r\n",
    "bad header": b"HTTP/1.1 200 OK\r\n%s\r\n\r\n",
    "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
    "bad version": b"HTTP/9.9 200 %s\r\n\r\n",
    "no HTTP": b"%s\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nX-Echo: %s\r\n",
    "phrase": b"HTTP/1.1 403 No %s\r\nContent-Length: 0\r\n\r\n",
    "torn": b"HTTP/1.1 500 No\r\nContent-Length: 999\r\n\r\n%s",
    "junk": SIZED + b"%s",
    "interim": b"HTTP/1.1 103 %s\r\n\r\n" * 20,
}


@pytest.mark.parametrize("name", ECHOES)
@pytest.mark.parametrize("apart", [False, True])
def test_no_echo_of_a_token_reaches_a_log(
    scene: Scene, caplog: pytest.LogCaptureFixture, name: str, apart: bool
) -> None:
    """Every library's log, at its most talkative, in the loop's debug mode."""
    caplog.set_level(logging.DEBUG)
    response = ECHOES[name].replace(b"%s", TOKEN.encode())
    middle = response.index(b"\r\n\r\n") + 4 if b"\r\n\r\n" in response else len(response)
    packets = [response[:middle], response[middle:], b""] if apart else [response, b""]
    outcomes = scene.outcomes([*filter(None, packets), b""])
    gc.collect()  # what is never awaited or closed is logged when it is collected
    assert "s3cret" not in caplog.text + repr([record.args for record in caplog.records]) + repr(outcomes)
