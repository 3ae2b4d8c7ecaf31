"""``sp00ky health`` asks, and imports hardly anything for it."""

import socket
import subprocess
import sys
import threading

import pytest

from sp00ky_conformance.transport.peer import refusing
from sp00ky_health import address_of, ask

LIGHT = """
import sys, sp00ky_health
sys.argv = ["sp00ky", "health", {address!r}]
try:
    sp00ky_health.main()
except SystemExit as ended:
    heavy = {{"sp00ky_core", "click", "attrs", "asyncio"}} & set(sys.modules)
    assert not heavy, heavy
    sys.exit(ended.code)
"""


def answering(answer: bytes) -> str:
    """Answer one request; the address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(65_536)
            connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),  # it is only read
        ("[::1]:80", ("::1", 80)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_an_address_is_read(text: str, address: tuple[str, int]) -> None:
    assert address_of(text) == address


@pytest.mark.parametrize("text", ["", ":80", "host", "host:", "host:-1", "65536", "1.5", "host:\uff18"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        address_of(text)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nready\n", None),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\nnot ready: it drains\n", "not ready: it drains"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "not ready"),
        (b"HTTP/1.1 503 Busy\r\n\r\n<html>\n\x1b[31m<p>later", "<html> [31m<p>later"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n<html>\n<p>nothing here", "is no runner's"),
        (b"HTTP/1.1\r\n\r\n", "is no runner's"),
        (b"SSH-2.0-x\r\n", "is no runner's"),
        (b"", "is no runner's"),
    ],
)
def test_the_answer_says_whether_it_is_ready(answer: bytes, problem: str | None) -> None:
    found = ask(answering(answer))
    assert (found is None) if problem is None else (found is not None and problem in found)


def test_who_listens_everywhere_is_asked_on_loopback() -> None:
    port = answering(b"HTTP/1.1 200 OK\r\n\r\n").rpartition(":")[2]
    assert ask(f"0.0.0.0:{port}") is None


def test_a_probe_imports_nothing_else() -> None:
    address = answering(b"HTTP/1.1 200 OK\r\n\r\n")
    command = [sys.executable, "-c", LIGHT.format(address=address)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ready\n", "")
    with refusing() as address:
        command = [sys.executable, "-c", LIGHT.format(address=address)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("sp00ky: no answer from 127.0.0.1:")
