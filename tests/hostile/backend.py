"""A backend that gives its caller's token away wherever it can, and a server that nobody should ever ask."""

import gzip
import html
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote, urlsplit

from sp00ky_conformance.transport.answering import Answering, Received
from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_conformance.transport.behaviours import Behaviour

__all__ = ["TOKEN", "ROUTES", "ECHOES", "document", "echoing", "strays", "leaked"]

TOKEN = 'gh0st+s3cret/t0ken==&"x'
"""Holds what JSON, HTML and URLs write differently."""

METHODS = {"/ok": "post", "/echo": "post", "/items/{id}": "post", "/search": "get"}
ROUTES = tuple(METHODS)

HEADERS = frozenset(
    {
        *("host", "authorization", "content-type", "content-length", "idempotency-key", "sp00ky-attempt"),
        *("traceparent", "accept", "accept-encoding", "user-agent", "connection"),
    }
)

_SEGMENT = re.compile(r"/items/([^/?#]+)")


def document() -> str:
    """The backend's OpenAPI document."""
    operation = {"responses": {"200": {"description": "done"}}}
    paths = {path: {method: operation} for path, method in METHODS.items()}
    return json.dumps({"openapi": "3.1.0", "info": {"title": "hostile", "version": "1"}, "paths": paths})


def echoing(elsewhere: str) -> MisbehavingBackend:
    """Answers ``/echo`` as the payload says how; everything else with 200."""
    return MisbehavingBackend(elsewhere=elsewhere, choose=lambda _: _answer)


async def _answer(to: Answering) -> bool:
    return await ECHOES[_how(to.request)](to)


def _how(request: Received) -> str:
    try:
        how = json.loads(request.body)["how"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "nothing"
    return how if isinstance(how, str) and how in ECHOES else "nothing"


async def _nothing(to: Answering) -> bool:
    await to.answer("200 OK", b'{"spooky": true}')
    return True


def _said(to: Answering) -> str:
    """What the client sent as its token."""
    return to.request.headers.get("authorization", "").removeprefix("Bearer ")


def _body(written: Callable[[str], bytes], status: str, headers: str = "") -> Behaviour:
    async def answer(to: Answering) -> bool:
        await to.answer(status, written(_said(to)), headers=headers)
        return True

    return answer


def _raw(written: Callable[[str, str], str]) -> Behaviour:
    async def answer(to: Answering) -> bool:
        await to.send(written(_said(to), to.elsewhere).encode())
        return False

    return answer


FAILED = "500 Internal Server Error"

ECHOES: dict[str, Behaviour] = {
    "nothing": _nothing,
    "text": _body(lambda token: f"no such token: {token}".encode(), FAILED),
    "bearer": _body(lambda token: f"Authorization: Bearer {token}".encode(), "401 Unauthorized"),
    "result": _body(lambda token: json.dumps({"you": {token: [f"x{token}y", 1]}}).encode(), "200 OK"),
    "percent": _body(lambda token: f"?token={quote(token, safe='')}".encode(), FAILED),
    "html": _body(lambda token: f"<b>{html.escape(token)}</b>".encode(), FAILED),
    "base64": _body(lambda token: b64encode(f"user:{token}".encode()), FAILED),
    "gzip": _body(lambda token: gzip.compress(token.encode()), FAILED, "Content-Encoding: gzip\r\n"),
    "late": _body(lambda token: b"x" * 480 + token.encode() + b"x" * 4_000, FAILED),
    "phrase": _raw(lambda token, _: f"HTTP/1.1 403 No {token}\r\nContent-Length: 0\r\n\r\n"),
    "garbage": _raw(lambda token, _: f"{token}\r\n\r\n"),
    "bad version": _raw(lambda token, _: f"HTTP/9.9 200 {token}\r\n\r\n"),
    "bad header": _raw(lambda token, _: f"HTTP/1.1 200 OK\r\n{token}\r\n\r\n"),
    "bad length": _raw(lambda token, _: f"HTTP/1.1 200 OK\r\nContent-Length: {token}\r\n\r\n"),
    "bad chunk": _raw(lambda token, _: f"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n{token}\r\n"),
    "torn": _raw(lambda token, _: f"HTTP/1.1 500 No\r\nContent-Length: 999\r\n\r\n{token}"),
    "moved": _raw(
        lambda token, away: f"HTTP/1.1 307 No\r\nLocation: {away}/{token}\r\nContent-Length: 0\r\n\r\n"
    ),
}


def strays(backend: MisbehavingBackend) -> Iterator[str]:
    """What is wrong about the requests that have come."""
    host = urlsplit(backend.url).netloc
    for request in backend.requests:
        where = f"{request.method} {request.target[:200]!r}"
        if not _is_of_the_document(request):
            yield f"{where} is none of the document's"
        if request.headers.get("host") != host:
            yield f"{where} is for the host {request.headers.get('host')!r}"
        if unknown := request.headers.keys() - HEADERS:
            yield f"{where} has the headers {sorted(unknown)}"
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            yield f"{where} is authorized by {request.headers.get('authorization')!r}"
        others = {name: value for name, value in request.headers.items() if name != "authorization"}
        if leaked(f"{request.target} {others} {request.body.decode(errors='replace')}"):
            yield f"{where} has the token where it doesn't belong"


def _is_of_the_document(request: Received) -> bool:
    path, _, query = request.target.partition("?")
    if path == "/search":
        return request.method == "GET"
    if request.method != "POST" or query or "#" in path:
        return False
    segment = _SEGMENT.fullmatch(path)
    return path in METHODS or (segment is not None and _stays(segment[1]))


def _stays(segment: str) -> bool:
    while (undone := unquote(segment)) != segment:
        segment = undone
    return segment not in {"", ".", ".."}


def leaked(text: str) -> list[str]:
    """The notations in which a text holds the token."""
    squeezed = "".join(text.split()).lower()
    return [name for name, form in _FORMS.items() if form.lower() in squeezed]


_FORMS = {
    "as it is": TOKEN,
    "in JSON": json.dumps(TOKEN)[1:-1],
    "repr": repr(TOKEN)[1:-1],
    "percent": quote(TOKEN, safe=""),
    "quoted": quote(TOKEN),
    "HTML": html.escape(TOKEN),
    **{
        f"base64 from {before}": b64encode(bytes(before) + TOKEN.encode()).decode()[
            -(-before * 8 // 6) : (before + len(TOKEN)) * 8 // 6
        ]
        for before in range(3)
    },
}
