"""Choose ports of loopback for programs that tests start."""

import socket
from random import SystemRandom

__all__ = ["free_port"]

CHOICE = range(10_000, 30_000)
"""Below those that a system chooses: until a program binds its port, no connection takes it."""

RANDOM = SystemRandom()  # the seeded one may choose alike in several processes


def free_port() -> int:
    """Choose a port that no program listens on now."""
    while True:
        port = RANDOM.choice(CHOICE)
        with socket.socket() as found:
            try:
                found.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
