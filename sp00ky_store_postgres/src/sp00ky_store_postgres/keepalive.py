"""A peer that vanishes without a word is given up by the kernel in seconds, whatever waits for it."""

from __future__ import annotations

import socket
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types

__all__ = ["Connection", "GIVE_UP_SECONDS"]

GIVE_UP_SECONDS = 10
"""Seconds for which what was sent may stay unacknowledged; a server that is at work does acknowledge."""

SETTINGS = (
    ("TCP_KEEPIDLE", 5),  # seconds of silence until the peer is asked whether it is there...
    ("TCP_KEEPALIVE", 5),  # (as macOS calls it)
    ("TCP_KEEPINTVL", 2),  # ...again after so many...
    ("TCP_KEEPCNT", 3),  # ...so often
    ("TCP_USER_TIMEOUT", GIVE_UP_SECONDS * 1_000),
)
"""Options of a socket, of which each platform has some."""


class Connection(asyncpg.Connection):  # type: ignore[misc]  # as above
    """The driver's, on a socket that notices when nobody is there any more.

    Otherwise a statement that is sent after a failover without RST waits for its whole timeout.
    """

    def __init__(self, protocol: Any, transport: Any, *others: Any) -> None:
        """As the driver calls it."""
        super().__init__(protocol, transport, *others)
        _keep_alive(transport.get_extra_info("socket"))


def _keep_alive(carrier: Any) -> None:
    if carrier is None or carrier.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    carrier.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in SETTINGS:
        if hasattr(socket, name):
            carrier.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
