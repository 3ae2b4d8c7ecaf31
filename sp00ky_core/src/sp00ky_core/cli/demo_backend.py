"""A small real HTTP backend that fails the way backends do, the same way each time."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that goes away, as at an interrupt, is no news."""


class DemoBackend:
    """Holds the backend's address, and counts what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: Counter[str] = Counter()  # by Idempotency-Key
        self.answered: Counter[str] = Counter()  # with a 2xx, by Idempotency-Key
        self._lock = threading.Lock()

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[DemoBackend]:
        """Serve on a free port of this machine, until the context is left."""
        backend = cls()
        with _Server(("127.0.0.1", 0), partial(_Handler, backend)) as server:
            backend.url = f"http://127.0.0.1:{server.server_port}"
            thread = threading.Thread(
                target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
            )
            thread.start()
            try:
                yield backend
            finally:
                server.shutdown()
                thread.join()

    def note(self, job_id: str, *, answered: bool) -> None:
        """Count a request, answered with a 2xx or not."""
        with self._lock:
            self.requests[job_id] += 1
            self.answered[job_id] += answered


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, backend: DemoBackend, *arguments: Any) -> None:
        self._backend = backend
        super().__init__(*arguments)

    def do_POST(self) -> None:
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number = 1 + self._backend.requests[self.headers["Idempotency-Key"]]
        status = _status(self.path, payload["n"], number)
        if self.path == "/chat":
            time.sleep(0.2 + payload["n"] % 7 / 10)
        self._backend.note(self.headers["Idempotency-Key"], answered=status == _OK)
        if status == _RESET:
            self.close_connection = True
        else:
            self._answer(status)

    def _answer(self, status: int) -> None:
        body = json.dumps({"boo": True} if status == _OK else {"error": "the demo says no"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == _BUSY:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the screen is the demo's."""


_OK, _BUSY, _BROKEN, _RESET = 200, 429, 500, 0
_THROTTLED = (2, 62)  # few jobs: each pauses the whole backend


def _status(path: str, n: int, number: int) -> int:
    """Choose what the n-th job of a route gets for its first, second, ... request: the same in each demo."""
    if path == "/charge-payment":
        return _BROKEN if n % 17 == 0 else _OK
    if path == "/chat":
        return _OK
    if n % 40 == 0:
        return _BROKEN  # for ever
    if number > 1 + n % 2:
        return _OK
    if n in _THROTTLED:
        return _BUSY
    return {1: _BROKEN, 3: _RESET}.get(n % 10, _OK)
