"""Test what a transport over HTTP promises of a delivery, against a backend that misbehaves.

A transport's own tests subclass it, with a fixture ``transport`` that makes one.
"""

# ruff: noqa: D102  # the name of a test says what it asserts
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import attrs
import pytest
import pytest_asyncio

from sp00ky_conformance.transport.attempts import HOSTILE_PATHS, TOKEN, attempt_for, with_parameters
from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_conformance.transport.behaviours import WITHOUT_A_RESULT
from sp00ky_conformance.transport.peer import refusing
from sp00ky_conformance.transport.signing_suite import SigningConformance
from sp00ky_conformance.transport.suite import result_of, unanswered
from sp00ky_core.config import Secret
from sp00ky_core.job.outcome import Delivered, Undelivered
from sp00ky_core.ports import Transport

__all__ = ["HttpTransportConformance"]


@pytest.mark.asyncio
class HttpTransportConformance(SigningConformance):
    """Subclass it, with a fixture ``transport`` that returns a transport that isn't open yet."""

    @pytest_asyncio.fixture
    async def elsewhere(self) -> AsyncIterator[MisbehavingBackend]:
        """Another origin, which nothing may reach."""
        async with MisbehavingBackend() as server:
            yield server

    @pytest_asyncio.fixture
    async def server(self, elsewhere: MisbehavingBackend) -> AsyncIterator[MisbehavingBackend]:
        """Start the backend that jobs are delivered to."""
        async with MisbehavingBackend(elsewhere=elsewhere.url) as server:
            yield server

    @pytest.fixture
    def nowhere(self) -> Iterator[str]:
        """Yield the URL of a backend that refuses connections."""
        with refusing() as place:
            yield f"http://{place}"

    # --- what is sent ---

    async def test_sends_the_payload_and_says_whose_it_is(
        self, delivering: Transport, server: MisbehavingBackend
    ) -> None:
        payload = b'{ "id" : 7, "text": "\xf0\x9f\x91\xbb" }'
        attempt = attempt_for(server.url, "/json", payload=payload, number=3)
        traceparent = "00-" + "a1" * 16 + "-" + "b2" * 8 + "-01"
        attempt = attrs.evolve(attempt, job=attrs.evolve(attempt.job, traceparent=traceparent))
        await delivering.deliver(attempt)
        (request,) = server.requests
        assert (request.method, request.target) == ("POST", "/json")
        assert request.body == payload
        assert request.headers["content-type"] == "application/json"
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert request.headers["idempotency-key"] == "job:018f4e2a"
        assert request.headers["sp00ky-attempt"] == "3"
        assert request.headers["traceparent"] == traceparent

    @pytest.mark.parametrize(
        ("path", "header", "method"),
        [
            ("/moved", "LOCATION", "POST"),
            ("/json", "content-type", "POST"),
            ("/json", "content-type", "HEAD"),
        ],
    )
    async def test_keeps_what_the_backend_calls_its_answer(
        self, delivering: Transport, server: MisbehavingBackend, path: str, header: str, method: str
    ) -> None:
        attempt = attempt_for(server.url, path, method=method)
        assert (await delivering.deliver(attempt)).request_id is None
        for name, kept in ((header, True), ("X-Request-Id", False)):
            backend = attrs.evolve(attempt.backend, request_id=name)
            outcome = await delivering.deliver(attrs.evolve(attempt, backend=backend))
            assert bool(outcome.request_id) is kept, name

    async def test_sends_no_authorization_without_a_token(
        self, delivering: Transport, server: MisbehavingBackend
    ) -> None:
        await delivering.deliver(attempt_for(server.url, "/json", token=None))
        assert "authorization" not in server.requests[0].headers

    async def test_adds_the_headers_of_plugins_but_not_over_its_own(
        self, delivering: Transport, server: MisbehavingBackend
    ) -> None:
        added = {
            "X-Team": "ghosts",
            "idempotency-key": "forged",
            "HOST": "evil.test",
            "X-Bad": "a\r\nX-Split: b",
        }
        await delivering.deliver(attempt_for(server.url, "/json", headers=added))
        headers = server.requests[0].headers
        assert headers["x-team"] == "ghosts"
        assert headers["idempotency-key"] == "job:018f4e2a"
        assert headers["host"] == server.url.removeprefix("http://")
        assert "x-split" not in headers

    async def test_sends_the_headers_of_the_configuration_and_shows_none(
        self, delivering: Transport, server: MisbehavingBackend
    ) -> None:
        attempt = attempt_for(server.url, "/echo/1", headers={"x-ghost": "a plugin's"})
        static = {"X-Ghost": Secret("wh1te-lady"), "Accept": Secret("text/x-ghost")}
        backend = attrs.evolve(attempt.backend, auth="apiKey", auth_name="Authorization", auth_prefix="Bot ")
        backend = attrs.evolve(backend, headers=static)
        outcome = await delivering.deliver(attrs.evolve(attempt, backend=backend))
        headers = server.requests[0].headers
        assert (headers["x-ghost"], headers["accept"]) == ("wh1te-lady", "text/x-ghost")
        assert headers["authorization"] == f"Bot {TOKEN}"
        assert "wh1te" not in str(result_of(outcome))

    async def test_fills_path_parameters_as_one_segment_each(
        self, delivering: Transport, server: MisbehavingBackend
    ) -> None:
        path = "/echo/{thread}/posts/{number}"
        attempt = attempt_for(
            server.url + "/echo/v1/", path, payload={"thread": "a/b?c#d%e \u00e9", "number": 12}
        )
        await delivering.deliver(attempt)
        assert server.requests[0].target == "/echo/v1/echo/a%2Fb%3Fc%23d%25e%20%C3%A9/posts/12"

    @pytest.mark.parametrize(
        "value", [None, "", ".", "..", [], {}, "../admin", "..\\admin", "%2e%2e", "\ud800"]
    )
    async def test_refuses_a_path_parameter_that_is_no_segment(
        self, delivering: Transport, server: MisbehavingBackend, value: Any
    ) -> None:
        payload = b'{"id": "\\ud800"}' if value == "\ud800" else {"id": value}
        attempt = attempt_for(server.url, "/echo/{id}", payload=payload)
        outcome = await delivering.deliver(attempt)
        assert isinstance(outcome, Undelivered)
        assert (outcome.code, outcome.name, outcome.is_retryable) == (0, "invalid_payload", False)
        assert not server.requests

    async def test_fills_query_parameters_and_sends_no_other(
        self, delivering: Transport, server: MisbehavingBackend
    ) -> None:
        payload = {"id": "x", "tag": ["a&b", 1], "on": True, "none": None, "more": 1}
        attempt = attempt_for(server.url, "/echo/{id}", method="GET", payload=payload)
        await delivering.deliver(with_parameters(attempt, "query", "tag", "on", "none"))
        (request,) = server.requests
        assert request.target == "/echo/x?tag=a%26b&tag=1&on=true"
        assert (request.method, request.body) == ("GET", b"")

    async def test_fills_header_parameters(self, delivering: Transport, server: MisbehavingBackend) -> None:
        payload = {"X-Tenant": "acme", "X-Tags": ["a", 1], "X-None": None, "more": True}
        attempt = attempt_for(server.url, "/echo", payload=payload)
        await delivering.deliver(with_parameters(attempt, "header", "X-Tenant", "X-Tags", "X-None"))
        (request,) = server.requests
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert (headers["x-tenant"], headers["x-tags"]) == ("acme", "a,1")
        assert "x-none" not in headers
        assert request.body == b'{"more":true}'

    @pytest.mark.parametrize("value", ["a\r\nX-Evil: b", "\0", "\u20ac", {"a": {}}, [[]]])
    async def test_refuses_a_value_that_no_header_can_hold(
        self, delivering: Transport, server: MisbehavingBackend, value: Any
    ) -> None:
        attempt = attempt_for(server.url, "/echo", payload={"X-Tenant": value})
        outcome = await delivering.deliver(with_parameters(attempt, "header", "X-Tenant"))
        assert isinstance(outcome, Undelivered)
        assert (outcome.code, outcome.name, outcome.is_retryable) == (0, "invalid_payload", False)
        assert not server.requests

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS"])
    async def test_sends_no_body_where_the_operation_has_none(
        self, delivering: Transport, server: MisbehavingBackend, method: str
    ) -> None:
        attempt = attempt_for(server.url, "/json", method=method, payload={"more": 1})
        operation = attrs.evolve(attempt.operation, bodies=())
        outcome = await delivering.deliver(attrs.evolve(attempt, operation=operation))
        (request,) = server.requests
        assert (request.method, request.body) == (method, b"")
        assert "content-type" not in request.headers
        assert request.headers["idempotency-key"] == "job:018f4e2a"
        assert result_of(outcome) == (None if method in {"HEAD", "OPTIONS"} else {"spooky": True})

    # --- what comes back ---

    @pytest.mark.parametrize(
        ("path", "code", "result"),
        [
            ("/json", 200, {"spooky": True}),
            ("/created", 201, [1, 2.5, None]),
            ("/gzipped", 200, {"small": True}),
            ("/empty", 204, None),
            *[(path, 200, None) for path in WITHOUT_A_RESULT],
            ("/body-on-204", 204, None),
        ],
    )
    async def test_2xx_is_delivered_whatever_its_body(
        self, delivering: Transport, server: MisbehavingBackend, path: str, code: int, result: Any
    ) -> None:
        outcome = await delivering.deliver(attempt_for(server.url, path))
        assert result_of(outcome) == result
        assert outcome.code == code
        assert len(server.requests) == 1

    async def test_a_body_that_outlasts_the_attempt_is_delivered(
        self, delivering: Transport, server: MisbehavingBackend
    ) -> None:
        outcome = await delivering.deliver(attempt_for(server.url, "/trickle", timeout=5.0))
        assert outcome == Delivered(code=200, result=None)

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("/fails", (500, "http_status", None, None)),
            ("/unknown", (404, "http_status", None, None)),
            ("/down", (503, "http_status", None, "unavailable")),
            ("/busy", (429, "throttled", 7.0, None)),
            ("/busy-without-end", (429, "throttled", None, None)),
            ("/down-until", (503, "throttled", 30.0, "unavailable")),
        ],
    )
    async def test_any_other_status_is_undelivered(
        self,
        delivering: Transport,
        server: MisbehavingBackend,
        path: str,
        expected: tuple[int, str, float | None, str | None],
    ) -> None:
        outcome = await delivering.deliver(attempt_for(server.url, path))
        assert isinstance(outcome, Undelivered)
        assert (outcome.code, outcome.name, outcome.retry_after, outcome.counts_as) == expected
        assert str(outcome) == f"HTTP {outcome.code}"
        assert outcome.is_retryable
        assert str(outcome.code) in outcome.reason
        assert outcome.reason.isprintable()

    @pytest.mark.parametrize(
        ("path", "result"), [("/interim", {"spooky": True}), ("/interim-bad-chunks", None)]
    )
    async def test_informational_heads_are_no_response(
        self, delivering: Transport, server: MisbehavingBackend, path: str, result: Any
    ) -> None:
        outcome = await delivering.deliver(attempt_for(server.url, path))
        assert isinstance(outcome, Delivered)
        assert (outcome.code, outcome.result and result_of(outcome)) == (200, result)

    async def test_a_redirect_is_not_followed(
        self, delivering: Transport, server: MisbehavingBackend, elsewhere: MisbehavingBackend
    ) -> None:
        outcome = await delivering.deliver(attempt_for(server.url, "/moved"))
        assert isinstance(outcome, Undelivered)
        assert (outcome.code, outcome.name) == (302, "http_status")
        assert elsewhere.accepted == 0

    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("/hang", "timeout"),
            ("/trickled-head", "timeout"),
            ("/reset", "reset"),
            ("/cut-head", "reset"),
            ("/garbage", "protocol"),
            ("/interim-without-end", "protocol"),
        ],
    )
    @pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE"])
    async def test_no_answer_is_undelivered_and_not_resent(
        self, delivering: Transport, server: MisbehavingBackend, path: str, name: str, method: str
    ) -> None:
        timeout = 1.0 if name == "timeout" else 30.0  # to connect may take a busy machine a while
        attempt = attempt_for(server.url, path, method=method, timeout=timeout)
        outcome = await unanswered(delivering, server, attempt)
        assert (outcome.code, outcome.name, outcome.is_retryable) == (0, name, True)

    @pytest.mark.parametrize("path", ["/echo", "/complain"])
    async def test_a_token_that_is_echoed_is_not_kept(
        self, delivering: Transport, server: MisbehavingBackend, path: str
    ) -> None:
        outcome = await delivering.deliver(attempt_for(server.url, path))
        if isinstance(outcome, Delivered):
            kept = result_of(outcome)["headers"]["authorization"]
            assert kept == "Bearer ***"
        else:
            kept = outcome.reason
        assert "token" not in kept
        assert "***" in kept

    # --- connections ---

    @pytest.mark.parametrize("method", ["POST", "GET"])
    async def test_the_last_attempt_uses_a_fresh_connection(
        self, delivering: Transport, server: MisbehavingBackend, method: str
    ) -> None:
        server.close_reused = True
        for _ in range(2):
            attempt = attempt_for(server.url, "/json", method=method, last=True)
            assert isinstance(await delivering.deliver(attempt), Delivered)
        assert len({request.connection for request in server.requests}) == len(server.requests)

    async def test_a_stale_connection_spoils_no_last_attempt(
        self, delivering: Transport, server: MisbehavingBackend
    ) -> None:
        attempt = attempt_for(server.url, "/json")
        assert isinstance(await delivering.deliver(attempt), Delivered)
        server.close_reused = True
        second = await delivering.deliver(attempt)
        # A transport that kept the connection has lost the race with its closing; it sent nothing again.
        if isinstance(second, Undelivered):
            assert second.name == "reset"
        assert len(server.requests) == 2
        assert isinstance(await delivering.deliver(attrs.evolve(attempt, last=True)), Delivered)

    async def test_many_at_once_keep_apart(self, delivering: Transport, server: MisbehavingBackend) -> None:
        attempts = [attempt_for(server.url, f"/echo/{n}", payload={"n": n}) for n in range(60)]
        outcomes = await asyncio.gather(*map(delivering.deliver, attempts))
        assert [result_of(outcome)["body"] for outcome in outcomes] == [f'{{"n":{n}}}' for n in range(60)]

    async def test_cancelling_closes_the_connection(
        self, delivering: Transport, server: MisbehavingBackend
    ) -> None:
        task = asyncio.create_task(delivering.deliver(attempt_for(server.url, "/hang", timeout=60)))
        request = await server.received()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(60):
            await request.hung_up.wait()

    @pytest.mark.parametrize("path", HOSTILE_PATHS)
    async def test_a_hostile_path_opens_no_connection(
        self, delivering: Transport, server: MisbehavingBackend, path: str
    ) -> None:
        await delivering.deliver(attempt_for(server.url, path))
        assert server.accepted == 0
