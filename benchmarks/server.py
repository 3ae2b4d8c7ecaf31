"""Start a backend that answers every POST with 200 and a small body: nginx from PATH, or ``Answering``."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import uvloop

__all__ = ["Backend", "Answering", "backend"]

BODY = b'{"ok":true}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"

NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 1h; # `Backend.count` keeps one connection, which is idle while a large queue is filled
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location = /count {{ stub_status; }}
        location / {{ default_type application/json; return 200 '{body}'; }}
    }}
}}
"""


class Answering(asyncio.Protocol):
    """The least that an HTTP/1.1 server for our own requests can do; ``seen`` gets each request's bytes.

    It answers after ``delay`` seconds.
    """

    def __init__(self, seen: Callable[[bytes], bytes | None], delay: float = 0.0) -> None:
        self._seen = seen
        self._delay = delay
        self._pending = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._pending += data
        answers = []
        while (length := _request_length(self._pending)) is not None:
            request, self._pending = self._pending[:length], self._pending[length:]
            body = self._seen(request) or BODY
            answers.append(ANSWER % (len(body), body))
        if answers and self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._transport.write, b"".join(answers))
        elif answers:
            self._transport.write(b"".join(answers))


LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def _request_length(data: bytes) -> int | None:
    """Bytes of the first request, once all of it is there."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    found = LENGTH.search(data, 0, end)
    whole = end + 4 + (int(found[1]) if found else 0)
    return whole if len(data) >= whole else None


class Backend:
    """A backend in a process of its own."""

    def __init__(self, kind: str, port: int) -> None:
        self.kind = kind
        self.url = f"http://127.0.0.1:{port}"
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)
        self._asked = 0

    def count(self) -> int:
        """Return the requests so far, this one and others like it not counted."""
        self._connection.request("GET", "/count")
        numbers = [int(number) for number in re.findall(rb"\d+", self._connection.getresponse().read())]
        self._asked += 1
        return (numbers[3] if self.kind == "nginx" else numbers[0]) - self._asked


@contextmanager
def backend() -> Iterator[Backend]:
    """A backend that accepts connections."""
    with tempfile.TemporaryDirectory(prefix="sp00ky-backend") as folder, _free_port() as port:
        nginx = shutil.which("nginx")
        command = (
            [nginx, "-c", _nginx_file(Path(folder), port)] if nginx else [sys.executable, __file__, str(port)]
        )
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            _await_port(port)
            yield Backend("nginx" if nginx else "a protocol on uvloop", port)
        finally:
            child.terminate()
            child.wait()


def _nginx_file(folder: Path, port: int) -> str:
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, port=port, body=BODY.decode()))
    return str(file)


@contextmanager
def _free_port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    yield port


def _await_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


async def _serve(port: int) -> None:
    count = 0

    def seen(request: bytes) -> bytes | None:
        nonlocal count
        count += 1
        return b"%d" % count if request.startswith(b"GET /count") else None

    server = await asyncio.get_running_loop().create_server(lambda: Answering(seen), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
