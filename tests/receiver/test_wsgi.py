"""An application behind the middleware, over a socket: wsgiref's server, and by hand."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import httpx
import pytest
from tests.receiver.stacks import SYNCHRONOUS, Place, effect
from tests.receiver.test_signature import NEW, signed

from sp00ky_receiver import Receiver, WsgiReceiver


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Parts:
    """An answer in parts, which must be closed."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = iter(parts)
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        self.is_closed = True


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/health":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"well"]
    delivery = environ["sp00ky_receiver"]
    effect(delivery.connection)
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    status = "500 Broken" if environ["PATH_INFO"] == "/fails" else "201 Created"
    write = start_response(status, [("Content-Type", "x/y"), ("Set-Cookie", "a=b")])
    write(body[:1])
    return [body[1:]]


def behind(place: Place, app: Any = application) -> WsgiReceiver:
    def transaction() -> AbstractContextManager[Any]:
        return SYNCHRONOUS["sqlite3"](place)

    return WsgiReceiver(app, Receiver(NEW, max_body_bytes=100), transaction, unprotected=["/health"])


@pytest.fixture
def url(place: Place) -> Iterator[str]:
    with make_server("127.0.0.1", 0, validator(behind(place)), handler_class=_Quiet) as server:  # type: ignore[arg-type]  # wsgiref's types are narrower than WSGI
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_repetition_gets_the_first_answer(place: Place, url: str) -> None:
    request = signed()
    answers = [httpx.post(f"{url}/spookify", content=request.body, headers=request.headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert [answer.content for answer in answers] == [request.body] * 2
    assert ["set-cookie" in answer.headers for answer in answers] == [True, False]
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert place.effects() == 1


def test_what_is_refused_reaches_nothing(place: Place, url: str) -> None:
    assert httpx.get(f"{url}/health").text == "well"
    assert httpx.post(f"{url}/spookify", content=b"{}").status_code == 401
    assert httpx.post(f"{url}/health/", content=b"{}").status_code == 401
    assert httpx.post(f"{url}/spookify", content=b"x" * 101).status_code == 413
    request = signed()
    assert httpx.post(f"{url}/fails", content=request.body, headers=request.headers).status_code == 500
    assert place.effects() == 0


def call(app: WsgiReceiver, **more: Any) -> tuple[list[Any], bytes]:
    """What a server gets, for a request that is signed."""
    request, started = signed(), []
    environ: dict[str, Any] = {"wsgi.input": BytesIO(request.body), "REQUEST_METHOD": "POST"}
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
    environ |= {"CONTENT_LENGTH": str(len(request.body)), **more}
    setup_testing_defaults(environ)

    def start_response(status: str, headers: list[Any]) -> None:
        started.append(status)

    return started, b"".join(app(environ, start_response))


def test_an_answer_is_taken_whole_and_closed(place: Place) -> None:
    parts = Parts(b"a", b"b")

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("299 Odd", [])
        return parts

    assert call(behind(place, app)) == (["299 Unknown"], b"ab")
    assert parts.is_closed


def test_a_long_body_is_not_read(place: Place) -> None:
    started, _ = call(behind(place), CONTENT_LENGTH="101", **{"wsgi.input": None})
    assert [line[:4] for line in started] == ["413 "]


@pytest.mark.parametrize("twice", [True, False])
def test_an_application_that_starts_no_answer_or_two_is_an_error(place: Place, twice: bool) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        effect(environ["sp00ky_receiver"].connection)
        if twice:
            start_response("200 OK", [])
            start_response("200 OK", [])
        return []

    with pytest.raises(RuntimeError, match="answer"):
        call(behind(place, app))
    assert place.effects() == 0
