"""Without a token it prints an address with a code: at the start, and when it is asked for another."""

import os
import pty
import signal

import httpx
from tests.dashboard.cli.test_server import Start, address_of, sign_in_address, start

__all__ = ["start"]  # a fixture


def test_enter_in_the_terminal_prints_another(start: Start) -> None:
    terminal, stdin = pty.openpty()
    process = start("--port", "0", stdin=stdin)
    address = address_of(process)
    first = sign_in_address(process)
    os.write(terminal, b"\n")
    second = sign_in_address(process)
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        assert client.get(first).status_code == 401
        assert client.get(second).status_code == 303
    os.close(terminal)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=120)[1] == ""
    os.close(stdin)
