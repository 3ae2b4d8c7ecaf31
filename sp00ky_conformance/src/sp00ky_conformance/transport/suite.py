"""Test what a transport of any scheme promises of a delivery, against a real backend.

A transport's own tests subclass it, and say how a transport is made and what it delivers to; for HTTP
``HttpTransportConformance`` does, which has far more tests::

    class TestMyTransport(TransportConformance):
        @pytest.fixture
        def transport(self):
            return MyTransport()

        @pytest_asyncio.fixture
        async def server(self):
            async with MyPeer() as peer:
                yield peer

        @pytest.fixture
        def nowhere(self):
            return "nats://127.0.0.1:1"

A broker, or an application in the test's own process, needs no peer that was written for the suite: a
``CollectingPeer`` is given what arrives, ``entry`` says what the transport is like, ``options`` its section,
and ``hanging`` makes the server hang in its own way::

    class TestMyBroker(TransportConformance):
        entry = ENTRY
        delivered, refused = "/orders/paid", None  # it refuses nothing
        options = BrokerOptions(routes=("/orders/paid",))

        @asynccontextmanager
        async def hanging(self, server):
            with broker.frozen():
                yield self.delivered
"""

# ruff: noqa: D102  # the name of a test says what it asserts
from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import attrs
import pytest
import pytest_asyncio

from sp00ky_conformance.transport.attempts import HOSTILE_PATHS, TOKEN, attempt_for
from sp00ky_conformance.transport.peer import Arrival, Peer
from sp00ky_core.encoding.json_bytes import JsonText, decode
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.ports import Attempt, Transport, TransportEntry

__all__ = ["TransportConformance", "result_of", "unanswered"]

MANY = 60
PATIENCE = 60.0
"""Seconds in which what was delivered is read, on whatever machine."""
LONGEST = 15.0
"""Seconds that an attempt whose time runs out is given, or a little more."""
NO_OBJECTS = (b"", b"\0", b"[1]", b'"x"', b"{", b'{"n": NaN}', b'{"x": "\xff"}', b"[" * 100_000)


def result_of(outcome: Outcome) -> Any:
    """Return the result of a delivered job, as a reader of the row gets it."""
    assert isinstance(outcome, Delivered), outcome
    return decode(outcome.result) if isinstance(outcome.result, JsonText) else outcome.result


async def unanswered(delivering: Transport, server: Peer, attempt: Attempt) -> Undelivered:
    """Make an attempt that must arrive once and get no answer.

    It is made anew, and given longer, where a busy machine lets its time run out before it has arrived.
    """
    outcome, made = await delivering.deliver(attempt), 1
    while not server.requests and attempt.timeout < LONGEST:
        attempt = attrs.evolve(attempt, timeout=4 * attempt.timeout)
        outcome, made = await delivering.deliver(attempt), made + 1
    assert len(await arrived(server)) <= made
    assert isinstance(outcome, Undelivered)
    return outcome


async def arrived(server: Peer, count: int = 1) -> Sequence[Arrival]:
    """Return what has arrived once so much has: a broker may confirm before its consumer has read."""
    async with asyncio.timeout(PATIENCE):
        await server.received(count)
    return server.requests


def _no_transport() -> Transport:
    raise NotImplementedError("give the suite an `entry`, or a fixture `transport`")


@pytest.mark.asyncio
class TransportConformance:
    """Subclass it, with three fixtures.

    ``transport`` returns a transport that isn't open yet; by default, what ``entry`` makes. ``server`` yields
    a ``Peer`` that is at work, and ``nowhere`` returns the ``baseUrl`` of a backend that can't be reached.

    Attributes:
        entry: What a plugin registers of it; by default it is like HTTP's.
        options: What attempts have as its section.
        delivered: A path that is delivered.
        refused: One that is refused in a way that may be retried; None: the server refuses nothing.
    """

    entry: ClassVar[TransportEntry | None] = None
    options: ClassVar[Any] = None
    delivered: ClassVar[str] = "/json"
    refused: ClassVar[str | None] = "/fails"

    @property
    def traits(self) -> TransportEntry:
        """What is said of the transport."""
        return self.entry or TransportEntry(make=_no_transport)

    @pytest.fixture
    def transport(self) -> Transport:
        """Make the transport that ``entry`` registers."""
        return self.traits.make()

    @asynccontextmanager
    async def hanging(self, server: Peer) -> AsyncIterator[str]:  # a harness may need it
        """Make the server answer nothing meanwhile on the path that is yielded; others may hang, too."""
        yield "/hang"

    hangs_alone: ClassVar[bool] = True
    """Whether other paths are answered while one hangs."""

    def attempt(self, base_url: str, path: str, **options: Any) -> Attempt:
        """Make an attempt as a runner would; see ``attempt_for``."""
        if "token" not in self.traits.credentials:
            options["token"] = None
        made = attempt_for(base_url, path, **options)
        backend = attrs.evolve(made.backend, scheme=self.traits.codes, options=self.options)
        return attrs.evolve(made, backend=backend)

    @pytest_asyncio.fixture
    async def delivering(self, transport: Transport) -> AsyncIterator[Transport]:
        """Open the transport under test."""
        await transport.open()
        yield transport
        await transport.close()

    # --- what arrives ---

    async def test_the_payload_arrives_byte_for_byte_and_once(
        self, delivering: Transport, server: Peer
    ) -> None:
        payload = b'{ "id" : 7, "id": 8, "text": "\xf0\x9f\x91\xbb\\ud800", "n": 1.000 }'
        for body in (payload, b"{}"):  # had the first arrived twice, the second would be the third
            outcome = await delivering.deliver(self.attempt(server.url, self.delivered, payload=body))
            assert isinstance(outcome, Delivered)
        assert [request.body for request in await arrived(server, 2)] == [payload, b"{}"]

    async def test_of_many_at_once_each_arrives(self, delivering: Transport, server: Peer) -> None:
        attempts = [self.attempt(server.url, self.delivered, payload={"n": n}) for n in range(MANY)]
        outcomes = await asyncio.gather(*map(delivering.deliver, attempts))
        assert all(isinstance(outcome, Delivered) for outcome in outcomes)
        sent = Counter(attempt.job.payload_json for attempt in attempts)
        assert Counter(request.body for request in await arrived(server, MANY)) == sent

    # --- what may not arrive ---

    @pytest.mark.parametrize("path", HOSTILE_PATHS)
    async def test_a_hostile_path_is_never_requested(
        self, delivering: Transport, server: Peer, path: str
    ) -> None:
        outcome = await delivering.deliver(self.attempt(server.url, path))
        assert isinstance(outcome, Undelivered)
        if self.traits.contract == "none":  # its routes are its own to know
            assert (outcome.code, outcome.name in {"invalid_path", "unknown_route"}) == (0, True)
        else:
            assert (outcome.code, outcome.name, outcome.is_retryable) == (0, "invalid_path", False)
        assert not server.requests

    async def test_a_path_that_is_not_its_routes_is_never_requested(
        self, delivering: Transport, server: Peer
    ) -> None:
        attempt = self.attempt(server.url, self.delivered)
        attempt = attrs.evolve(attempt, job=attrs.evolve(attempt.job, path="/another"))
        outcome = await delivering.deliver(attempt)
        assert isinstance(outcome, Undelivered)
        assert (outcome.code, outcome.name, outcome.is_retryable) == (0, "invalid_path", False)
        assert not server.requests

    @pytest.mark.parametrize("payload", NO_OBJECTS)
    async def test_refuses_a_payload_that_is_no_json_object(
        self, delivering: Transport, server: Peer, payload: bytes
    ) -> None:
        outcome = await delivering.deliver(self.attempt(server.url, self.delivered, payload=payload))
        assert isinstance(outcome, Undelivered)
        assert (outcome.code, outcome.name, outcome.is_retryable) == (0, "invalid_payload", False)
        assert not server.requests

    # --- what comes of it ---

    async def test_a_refusal_is_undelivered_and_may_be_retried(
        self, delivering: Transport, server: Peer
    ) -> None:
        if self.refused is None:
            pytest.skip("the server refuses nothing")
        outcome = await delivering.deliver(self.attempt(server.url, self.refused))
        assert isinstance(outcome, Undelivered)
        assert outcome.is_retryable
        assert outcome.scheme == self.traits.codes
        assert outcome.name
        assert outcome.reason.isprintable()
        assert len(outcome.reason.encode()) <= 2_048
        assert isinstance(await delivering.deliver(self.attempt(server.url, self.delivered)), Delivered)

    async def test_no_answer_in_time_is_a_timeout_and_is_not_sent_again(
        self, delivering: Transport, server: Peer
    ) -> None:
        async with asyncio.timeout(60), self.hanging(server) as path:
            outcome = await unanswered(delivering, server, self.attempt(server.url, path, timeout=1.0))
        assert (outcome.code, outcome.name, outcome.is_retryable) == (0, "timeout", True)

    async def test_what_cannot_be_reached_is_no_connection(self, delivering: Transport, nowhere: str) -> None:
        async with asyncio.timeout(60):
            outcome = await delivering.deliver(self.attempt(nowhere, self.delivered, timeout=5))
        assert isinstance(outcome, Undelivered)
        assert (outcome.code, outcome.name, outcome.is_retryable) == (0, "connect", True)

    async def test_one_that_hangs_holds_up_no_other(self, delivering: Transport, server: Peer) -> None:
        if not self.hangs_alone:
            pytest.skip("the server hangs as a whole")
        async with self.hanging(server) as path:
            hanging = asyncio.create_task(delivering.deliver(self.attempt(server.url, path, timeout=60)))
            await server.received()
            assert isinstance(await delivering.deliver(self.attempt(server.url, self.delivered)), Delivered)
            hanging.cancel()
            await asyncio.wait([hanging])

    @pytest.mark.parametrize("token", [TOKEN, "two\r\nl1nes", "\0", "\u20ac", "x" * 100_000, None])
    async def test_whatever_the_token_nothing_is_raised_and_it_is_not_reported(
        self, delivering: Transport, server: Peer, token: str | None
    ) -> None:
        for path in filter(None, (self.delivered, self.refused)):
            outcome = await delivering.deliver(self.attempt(server.url, path, token=token))
            assert isinstance(outcome, Delivered | Undelivered)
            assert (token or "no token") not in repr(outcome)
            assert "l1nes" not in repr(outcome)
        assert isinstance(await delivering.deliver(self.attempt(server.url, self.delivered)), Delivered)

    # --- cancelling, opening, closing ---

    async def test_cancelling_ends_a_delivery_and_spoils_no_other(
        self, delivering: Transport, server: Peer
    ) -> None:
        async with self.hanging(server) as path:
            task = asyncio.create_task(delivering.deliver(self.attempt(server.url, path, timeout=60)))
            await server.received()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            under_way = getattr(server, "under_way", None)  # of a peer that knows
            assert self.traits.leaves_running or not under_way
        for last in (False, True):
            outcome = await delivering.deliver(self.attempt(server.url, self.delivered, last=last))
            assert isinstance(outcome, Delivered)

    async def test_opening_and_closing_twice_is_harmless(self, transport: Transport, server: Peer) -> None:
        for _ in range(2):
            await transport.open()
        assert isinstance(await transport.deliver(self.attempt(server.url, self.delivered)), Delivered)
        for _ in range(2):
            await transport.close()

    async def test_a_close_that_was_cancelled_is_made_again(self, transport: Transport, server: Peer) -> None:
        await transport.open()
        await transport.deliver(self.attempt(server.url, self.delivered))
        closing = asyncio.create_task(transport.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        await transport.close()
        del transport
        gc.collect()  # what wasn't closed warns when it is collected
