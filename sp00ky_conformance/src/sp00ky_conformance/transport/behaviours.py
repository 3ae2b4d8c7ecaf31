"""Misbehave as a backend, one function for each route.

Each returns whether the connection may serve another request.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from functools import cache

from sp00ky_conformance.transport.answering import Answering

__all__ = ["Behaviour", "behaviour_of", "ROUTES", "HUGE", "WITHOUT_A_RESULT"]

Behaviour = Callable[[Answering], Awaitable[bool]]

HUGE = 20 * 1_048_576
"""Bytes of the body of ``/huge``, and of what the small one of ``/bomb`` unpacks to, without its quotes."""


async def _json(to: Answering) -> bool:
    await to.answer("200 OK", b'{"spooky": true}')
    return True


async def _created(to: Answering) -> bool:
    await to.answer("201 Created", b"[1, 2.5, null]", content_type="application/hal+json; charset=utf-8")
    return True


async def _empty(to: Answering) -> bool:
    await to.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    return True


async def _html(to: Answering) -> bool:
    await to.answer("200 OK", b"<p>done</p>", content_type="text/html")
    return True


async def _not_json(to: Answering) -> bool:
    await to.answer("200 OK", b'{"cut": ')
    return True


async def _nan(to: Answering) -> bool:
    await to.answer("200 OK", b'{"n": NaN}')
    return True


async def _long_json(to: Answering) -> bool:
    await to.answer("200 OK", json.dumps("x" * 65_536).encode())
    return True


async def _fails(to: Answering) -> bool:
    await to.answer("500 Internal Server Error", b"the ghost\0 is\r\nout", content_type="text/plain")
    return True


async def _busy(to: Answering) -> bool:
    await to.answer("429 Too Many Requests", headers="Retry-After: 7\r\n")
    return True


async def _busy_without_end(to: Answering) -> bool:
    await to.answer("429 Too Many Requests")
    return True


async def _down(to: Answering) -> bool:
    await to.answer("503 Service Unavailable")
    return True


async def _down_until(to: Answering) -> bool:
    # Its clock is years off, which must not matter.
    date, until = "Fri, 31 Dec 1999 23:59:00 GMT", "Fri, 31 Dec 1999 23:59:30 GMT"
    await to.answer("503 Service Unavailable", headers=f"Date: {date}\r\nRetry-After: {until}\r\n")
    return True


async def _moved(to: Answering) -> bool:
    await to.answer("302 Found", headers=f"Location: {to.elsewhere}/stolen\r\n")
    return True


async def _hang(to: Answering) -> bool:
    if await to.gone():
        to.request.hung_up.set()
    return False


async def _reset(to: Answering) -> bool:
    to.reset()
    return False


async def _cut_head(to: Answering) -> bool:
    await to.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    return False


async def _garbage(to: Answering) -> bool:
    await to.send(b"\x00\x01\xfeSSH-2.0-OpenSSH\r\n\r\n")
    return False


async def _huge(to: Answering) -> bool:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {HUGE + 2}\r\n\r\n"
    await to.send(head.encode() + b'"')
    for _ in range(HUGE // 65_536):
        await to.send(b"x" * 65_536)
    await to.send(b'"')
    return True


async def _trickle(to: Answering) -> bool:
    await to.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    while not await to.gone(0.02):
        await to.send(b" ")
    return False


async def _trickled_head(to: Answering) -> bool:
    await to.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not await to.gone(0.02):
        await to.send(b"x")
    return False


async def _bomb(to: Answering) -> bool:
    await to.answer("200 OK", _packed(), headers="Content-Encoding: gzip\r\n")
    return True


@cache
def _packed() -> bytes:
    return gzip.compress(b'"' + b"x" * HUGE + b'"')


async def _gzipped(to: Answering) -> bool:
    await to.answer("200 OK", gzip.compress(b'{"small": true}'), headers="Content-Encoding: gzip\r\n")
    return True


async def _bad_gzip(to: Answering) -> bool:
    await to.answer("200 OK", b"no gzip at all", headers="Content-Encoding: gzip\r\n")
    return True


async def _truncated(to: Answering) -> bool:
    await to.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{}")
    return False


async def _bad_chunks(to: Answering) -> bool:
    await to.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nghost\r\n{}")
    return False


async def _fails_badly(to: Answering) -> bool:
    await to.send(b"HTTP/1.1 503 Gone For Tea\r\nTransfer-Encoding: chunked\r\n\r\nghost\r\n{}")
    return False


async def _late_bad_chunks(to: Answering) -> bool:
    await to.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await to.gone(0.05)  # let the head travel alone
    await to.send(b"ghost\r\n{}")
    await to.gone()
    return False


async def _body_on_204(to: Answering) -> bool:
    await to.send(b"HTTP/1.1 204 No Content\r\n\r\nnot allowed here")
    return False


async def _echo(to: Answering) -> bool:
    await to.answer("200 OK", _told(to))
    return True


async def _complain(to: Answering) -> bool:
    await to.answer("400 Bad Request", _told(to))
    return True


def _told(to: Answering) -> bytes:
    request = to.request
    seen = {"method": request.method, "target": request.target, "headers": dict(request.headers)}
    return json.dumps({**seen, "body": request.body.decode()}).encode()


_INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


async def _interim(to: Answering) -> bool:
    await to.send(_INTERIM)
    return await _json(to)


async def _interim_bad_chunks(to: Answering) -> bool:
    await to.send(_INTERIM + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nghost\r\n{}")
    return False


async def _interim_without_end(to: Answering) -> bool:
    while not to.writer.is_closing():
        await to.send(_INTERIM * 100)
        await asyncio.sleep(0)  # for a client in the same loop
    return False


async def _unknown(to: Answering) -> bool:
    await to.answer("404 Not Found", b'{"detail": "no such route"}')
    return True


ROUTES: dict[str, Behaviour] = {
    "/json": _json,
    "/created": _created,
    "/empty": _empty,
    "/html": _html,
    "/not-json": _not_json,
    "/nan": _nan,
    "/long-json": _long_json,
    "/fails": _fails,
    "/busy": _busy,
    "/busy-without-end": _busy_without_end,
    "/down": _down,
    "/down-until": _down_until,
    "/moved": _moved,
    "/hang": _hang,
    "/reset": _reset,
    "/cut-head": _cut_head,
    "/garbage": _garbage,
    "/huge": _huge,
    "/trickle": _trickle,
    "/trickled-head": _trickled_head,
    "/bomb": _bomb,
    "/gzipped": _gzipped,
    "/bad-gzip": _bad_gzip,
    "/truncated": _truncated,
    "/bad-chunks": _bad_chunks,
    "/fails-badly": _fails_badly,
    "/late-bad-chunks": _late_bad_chunks,
    "/body-on-204": _body_on_204,
    "/complain": _complain,
    "/interim": _interim,
    "/interim-bad-chunks": _interim_bad_chunks,
    "/interim-without-end": _interim_without_end,
}


WITHOUT_A_RESULT = (
    *("/html", "/not-json", "/nan", "/long-json", "/huge", "/bomb", "/bad-gzip"),
    *("/truncated", "/bad-chunks", "/late-bad-chunks"),
)
"""Routes that answer 200, with a body that can't be a result."""


def behaviour_of(target: str) -> Behaviour:
    """Choose what is done for a request target; everything below ``/echo`` is echoed."""
    path = target.partition("?")[0]
    return _echo if path.startswith("/echo") else ROUTES.get(path, _unknown)
