"""Go through an HTTP proxy: by CONNECT where TLS is spoken, else by requests with their whole URL."""

from __future__ import annotations

import asyncio
import re
import socket
from base64 import b64encode

from yarl import URL

from sp00ky_transport_http.engines.exchange import Origin

__all__ = ["addressed", "tunnel"]

_LONGEST = 65_536  # bytes of its answer to CONNECT
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b")


def addressed(head: bytes, url: URL, proxy: URL) -> bytes:
    """Return a request's head as a proxy takes it: with the whole URL, and who asks."""
    method, _, rest = head.partition(b" ")
    line, _, fields = rest.partition(b"\r\n")
    return b"%s %s%s\r\n%s%s" % (method, str(url.origin()).encode(), line, _who_asks(proxy), fields)


async def tunnel(made: socket.socket, origin: Origin, proxy: URL) -> None:
    """Have a proxy pass on to the origin whatever follows on its connection.

    Raises:
        OSError: it doesn't; the socket is closed.
    """
    try:
        await _connect(made, origin, proxy)
    except BaseException:
        made.close()
        raise


async def _connect(made: socket.socket, origin: Origin, proxy: URL) -> None:
    loop, answer = asyncio.get_running_loop(), b""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    place = f"{host}:{origin.port}".encode()
    await loop.sock_sendall(
        made, b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (place, place, _who_asks(proxy))
    )
    while b"\r\n\r\n" not in answer:
        piece = await loop.sock_recv(made, 4_096)
        answer += piece
        if not piece or len(answer) > _LONGEST:
            raise ConnectionResetError("it ended before a whole answer to CONNECT")
    status = _STATUS.match(answer)
    if status is None or not status[1].startswith(b"2"):
        raise ConnectionRefusedError(f"it answered {status[1].decode()}" if status else "it speaks no HTTP")


def _who_asks(proxy: URL) -> bytes:
    if proxy.user is None and proxy.password is None:
        return b""
    said = b64encode(f"{proxy.user or ''}:{proxy.password or ''}".encode())
    return b"Proxy-Authorization: Basic %s\r\n" % said
