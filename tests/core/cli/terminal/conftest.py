"""A terminal for commands to draw on."""

import os
import pty
from collections.abc import Callable
from typing import Any

import pytest

At = Callable[..., str]


@pytest.fixture
def at_terminal(start: Any) -> At:
    """Runs a command with stdout and stderr on a terminal; what appeared there."""

    def run(*arguments: str, answer: bytes = b"") -> str:
        terminal, end = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
        process = start(*arguments, stdin=end, stdout=end, stderr=end, env=environment)
        os.close(end)
        shown = b""
        try:
            while piece := os.read(terminal, 4096):
                shown += piece
                if answer and b"[y/N]" in shown:
                    os.write(terminal, answer)
                    answer = b""
        except OSError:  # how Linux says that the other end is closed
            pass
        os.close(terminal)
        process.wait(timeout=60)
        return shown.decode()

    return run
