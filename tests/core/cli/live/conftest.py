"""A terminal of 80 columns, on which a command runs until something is seen."""

import fcntl
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import Callable
from typing import Any

import attrs
import pytest

CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


@attrs.frozen
class Shown:
    """What a command wrote to its terminal, and how it ended."""

    code: int
    raw: bytes

    @property
    def text(self) -> str:
        return CONTROL.sub(b"", self.raw).decode()

    @property
    def is_clean(self) -> bool:
        """Whether the cursor is seen again."""
        return self.raw.rfind(b"\x1b[?25h") > self.raw.rfind(b"\x1b[?25l") and "Traceback" not in self.text


OnTerminal = Callable[..., Shown]


@pytest.fixture
def on_terminal(start: Any) -> OnTerminal:
    """Runs a command on a terminal; once each text was seen it is interrupted, as by Ctrl-C."""

    def run(*arguments: str, until: tuple[str, ...], columns: int = 80, **environment: str) -> Shown:
        terminal, end = pty.openpty()
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        inherited = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "NO_COLOR"}}
        env = {**inherited, "TERM": "xterm-256color", **environment}
        process = start(*arguments, stdin=end, stdout=end, stderr=end, env=env)
        os.close(end)
        shown, waiting = b"", list(until)
        try:
            while piece := os.read(terminal, 65_536):
                shown += piece
                text = CONTROL.sub(b"", shown).decode(errors="replace")
                if waiting and all(each in text for each in waiting):
                    waiting = []
                    process.send_signal(signal.SIGINT)
        except OSError:  # how Linux says that the other end is closed
            pass
        os.close(terminal)
        return Shown(process.wait(timeout=60), shown)

    return run
