"""An attempt becomes a request, without a socket."""

from typing import Any

import attrs
import pytest

from sp00ky_conformance.transport.attempts import attempt_for
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


@pytest.mark.parametrize(
    "traceparent", ["", "00-x", "00-\r\nX: y", "\u00e9" * 55, "00-" + "A" * 32 + "-" + "b" * 16 + "-01"]
)
def test_a_malformed_traceparent_is_dropped(traceparent: str) -> None:
    assert "traceparent" not in headers_of(request_of(job={"traceparent": traceparent}))


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
