"""An attempt becomes a request, without a socket."""

from typing import Any

import attrs
import pytest

from sp00ky_conformance.transport.attempts import attempt_for
from sp00ky_core.contract import Body
from sp00ky_core.job.outcome import Undelivered
from sp00ky_core.ports import Attempt
from sp00ky_transport_http.request import Request, RequestBuilder

BASE = "http://api.test/v1"


def build(attempt: Attempt) -> Request | Undelivered:
    return RequestBuilder(attempt.backend).build(attempt)


def headers_of(request: Request) -> dict[str, str]:
    headers = dict(request.headers)
    assert len({name.lower() for name in headers}) == len(headers), "a header is there twice"
    return headers


def request_of(
    path: str = "/json", base: str = BASE, job: dict[str, Any] | None = None, **options: Any
) -> Request:
    attempt = attempt_for(base, path, **options)
    request = build(attrs.evolve(attempt, job=attrs.evolve(attempt.job, **(job or {}))))
    assert isinstance(request, Request), request
    return request


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("http://api.test", "/json", "http://api.test/json"),
        ("http://api.test/v1/", "/", "http://api.test/v1/"),
        ("https://api.test:444/v1", "/a/b/", "https://api.test:444/v1/a/b/"),
        ("http://[::1]:80/x", "/json", "http://[::1]/x/json"),
        ("http://api.test?key=1#x", "/json", "http://api.test/json"),
        ("http://api.test/v1", "/caf\u00e9/%C3%A9", "http://api.test/v1/caf%C3%A9/%C3%A9"),
        ("http://api.test/v1", "/a#only-a-name", "http://api.test/v1/a"),
        ("http://\u00fc.test", "/json", "http://xn--tda.test/json"),
    ],
)
def test_the_url_is_the_base_and_the_path(base: str, path: str, url: str) -> None:
    assert str(request_of(path, base).template.url) == url


def test_a_value_that_another_reading_would_turn_into_a_path_is_refused() -> None:
    for value in ("a/../b", "a\\..\\b", "%2e%2e", "..;x", "..%2fadmin", "%25252525252e"):
        outcome = build(attempt_for(BASE, "/t/{id}", payload={"id": value}))
        assert isinstance(outcome, Undelivered)
        assert outcome.name == "invalid_payload"
        assert outcome.reason.startswith("/id: ")


def test_a_path_that_is_not_its_routes_is_refused() -> None:
    attempt = attempt_for(BASE, "/json")
    outcome = build(attrs.evolve(attempt, job=attrs.evolve(attempt.job, path="/other")))
    assert isinstance(outcome, Undelivered)
    assert outcome.name == "invalid_path"


@pytest.mark.parametrize("path", ["/t", "/t/{id}"])
@pytest.mark.parametrize("headers", [{}, {"X-Plugin": "1", "content-type": "text/plain"}])
def test_the_body_is_sent_as_its_route_s_type(path: str, headers: dict[str, str]) -> None:
    attempt = attempt_for(BASE, path, payload={"id": 1}, headers=headers)
    bodies = (Body(media_type="application/merge-patch+json"),)
    operation = attrs.evolve(attempt.operation, bodies=bodies)
    request = build(attrs.evolve(attempt, operation=operation))
    assert isinstance(request, Request)
    assert headers_of(request)["Content-Type"] == "application/merge-patch+json"
    assert headers_of(request_of(path, payload={"id": 1}))["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "payload", [b"\xef\xbb\xbf{}", '{"utf": 16}'.encode("utf-16"), b'{"n":' + b"9" * 5_000 + b"}"]
)
def test_a_payload_that_others_could_not_read_is_refused(payload: bytes) -> None:
    outcome = build(attempt_for(BASE, "/json", payload=payload))
    assert isinstance(outcome, Undelivered)
    assert outcome.name == "invalid_payload"


@pytest.mark.parametrize(
    "traceparent", ["", "00-x", "00-\r\nX: y", "\u00e9" * 55, "00-" + "A" * 32 + "-" + "b" * 16 + "-01"]
)
def test_a_malformed_traceparent_is_dropped(traceparent: str) -> None:
    assert "traceparent" not in headers_of(request_of(job={"traceparent": traceparent}))


def test_a_plugin_continues_the_trace_of_a_job() -> None:
    stored, next_span = (f"00-{'a' * 32}-{digit * 16}-01" for digit in "bc")

    def traceparents(given: str) -> dict[str, str]:
        headers = headers_of(request_of(headers={"Traceparent": given}, job={"traceparent": stored}))
        return {name: value for name, value in headers.items() if name.lower() == "traceparent"}

    assert traceparents(next_span) == {"traceparent": next_span}
    assert traceparents("theirs") == {"traceparent": stored}  # which is none
    assert headers_of(request_of(headers={"Traceparent": "theirs"}))["Traceparent"] == "theirs"


@pytest.mark.parametrize(
    "name", ["authorization", "Host", "CONTENT-LENGTH", "Transfer-Encoding", "Connection", "a b", ""]
)
def test_headers_that_make_the_request_are_closed_to_plugins(name: str) -> None:
    headers = headers_of(request_of(headers={name: "theirs", "X-Fine": "1"}, token=None))
    assert "theirs" not in headers.values()
    assert headers["X-Fine"] == "1"


def test_what_a_route_shares_is_made_once() -> None:
    attempt = attempt_for(BASE, "/json")
    builder = RequestBuilder(attempt.backend)
    first, second = builder.build(attempt), builder.build(attempt)
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    assert first.template is second.template


def test_a_route_that_has_changed_is_made_anew() -> None:
    attempt = attempt_for(BASE, "/json")
    builder = RequestBuilder(attempt.backend)
    builder.build(attempt)
    changed = builder.build(attrs.evolve(attempt, operation=attrs.evolve(attempt.operation, method="PUT")))
    assert isinstance(changed, Request)
    assert changed.template.method == "PUT"
