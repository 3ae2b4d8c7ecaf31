"""A job's id: ``<table>:<key>``, the key a UUID version 7 in hex, so that ids sort by their age."""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

__all__ = ["new_key", "uuid7", "job_id", "table_of"]

_TICKS_PER_MS = 4_096  # RFC 9562, section 6.2, method 3: the 12 bits after the milliseconds


def new_key(now_ms: int, random_bytes: bytes) -> str:
    """A UUIDv7 as 32 hex digits.

    Args:
        now_ms: milliseconds since the epoch.
        random_bytes: 10 of them; the first 12 bits sort right after the milliseconds.
    """
    return f"{_value(now_ms, random_bytes):032x}"


def _value(now_ms: int, random_bytes: bytes) -> int:
    bits = int.from_bytes(random_bytes[:10], "big")
    head, tail = bits >> 68, bits & ((1 << 62) - 1)
    return (now_ms & ((1 << 48) - 1)) << 80 | 0x7 << 76 | head << 64 | 0b10 << 62 | tail


class _Ticks:
    """The wall clock in 1/4096 ms; every reading is later than the one before, in this process."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        now = time.time_ns() * _TICKS_PER_MS // 1_000_000
        with self._lock:
            self._last = max(self._last + 1, now)
            return self._last


_ticks = _Ticks()


def uuid7() -> UUID:
    """A new UUIDv7, greater than every earlier one of this process."""
    now_ms, fraction = divmod(_ticks.next(), _TICKS_PER_MS)
    return UUID(int=_value(now_ms, (fraction << 4).to_bytes(2, "big") + os.urandom(8)))


def job_id(table: str, key: str) -> str:
    """The id of a table's row."""
    return f"{table}:{key}"


def table_of(job_id: str) -> str:
    """The table that an id names; empty where it names none."""
    return job_id.partition(":")[0] if ":" in job_id else ""
