"""Ask a runner whether it is ready, importing hardly more than sockets: a probe does so every few seconds.

A package of its own, for ``import sp00ky_core`` takes longer than the question.
"""

from __future__ import annotations

import gc
import os
import socket
import sys

__all__ = ["DEFAULT", "address_of", "ask", "main"]

DEFAULT = "127.0.0.1:9464"
"""The address that is asked where neither an argument nor ``SP00KY_LISTEN`` gives one."""

SECONDS = 5.0
"""Seconds to wait for the answer: a busy runner is late with it, and one that is stuck never gives it."""

MOST = 200
"""Characters of an answer that are shown."""

YOUNG = 100_000
"""New objects after which Python's garbage collector looks at them, by default 700. What imports make stays;
to look at it then, and once more at the end, took a twelfth of a command's time."""

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # what is listened on isn't asked there


def address_of(text: str) -> tuple[str, int]:
    """Read ``PORT`` (on 127.0.0.1), ``HOST:PORT`` or ``[IPV6]:PORT``. Raises ``ValueError``."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if colon else "127.0.0.1"
    if not (host and port.isascii() and port.isdecimal() and int(port) < 2**16):
        raise ValueError(f"{text!r} is no address, such as 9464, 0.0.0.0:9464 or [::1]:9464")
    return host, int(port)


def ask(address: str) -> str | None:
    """Return None where the runner is ready, else why it isn't. Raises ``ValueError``: no address."""
    host, port = address_of(address)
    try:
        answer = _answer(EVERYWHERE.get(host, host), port)
    except OSError as error:
        return f"no answer from {address}: {error.strerror or error}"
    head, _, body = answer.partition("\r\n\r\n")
    version, _, status = head.partition(" ")
    if version.startswith("HTTP/1.") and status[:3] == "200":
        return None
    if version.startswith("HTTP/1.") and status[:3] == "503":
        return _one_line(body) or "not ready"
    return f"{address} is no runner's: start one with sp00ky run --listen"


def _one_line(text: str) -> str:
    """Return its words within ``MOST`` characters, none of which a terminal obeys."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())[:MOST]


def _answer(host: str, port: int) -> str:
    with socket.create_connection((host, port), timeout=SECONDS) as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        parts = []
        while chunk := connection.recv(4096):
            parts.append(chunk)
    return b"".join(parts).decode("latin-1")


def main() -> None:
    """Run ``sp00ky``; of it ``sp00ky health [ADDRESS]`` alone without its other imports."""
    command, *arguments = sys.argv[1:] or [""]
    if command == "health" and not (arguments[1:] or any(argument.startswith("-") for argument in arguments)):
        sys.exit(_health(*arguments))
    gc.set_threshold(YOUNG)
    from sp00ky_core.cli import main as command_line  # noqa: PLC0415  # what this function avoids

    try:
        command_line()
    finally:
        gc.freeze()


def _health(address: str | None = None) -> int:
    try:
        problem = ask(address or os.environ.get("SP00KY_LISTEN") or DEFAULT)
    except ValueError as error:
        sys.stderr.write(f"sp00ky: {error}\n")
        return 2
    if problem is None:
        sys.stdout.write("ready\n")
        return 0
    sys.stderr.write(f"sp00ky: {problem}\n")
    return 1
