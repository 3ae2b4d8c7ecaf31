"""Make job ids: ``<table>:<key>``, the key a UUID version 7 in hex, so that ids sort by their age."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

__all__ = ["new_key", "new_keys", "new_uuids", "key_at", "job_id", "table_of", "chunks"]

_TICKS_PER_MS = 4_096  # RFC 9562, section 6.2, method 3: the 12 bits after the milliseconds
_ALL_TICKS = (1 << 60) - 1
_VARIANT = bytes(byte & 0x3F | 0x80 for byte in range(256))
"""The first byte of the second half: its upper two bits say what kind of UUID it is."""


def new_key() -> str:
    """Return a new key, greater than every earlier one of this process."""
    return key_at(_ticks.take(1), int.from_bytes(os.urandom(8)))


def new_keys(count: int) -> Sequence[str]:
    """Return new keys, in order; each is greater than every earlier one of this process."""
    first, random_bits = _ticks.take(count), memoryview(os.urandom(8 * count)).cast("Q")
    return [key_at(first + n, random_bits[n]) for n in range(count)]


def new_uuids(count: int) -> list[str]:
    """Return new keys as ``new_keys`` does, each written with the hyphens of a UUID."""
    first, noise = _ticks.take(count), bytearray(os.urandom(8 * count))
    noise[::8] = noise[::8].translate(_VARIANT)
    return [
        f"{_head(ticks // _TICKS_PER_MS)}{ticks % _TICKS_PER_MS:03x}-{noise[at : at + 8].hex('-', 6)}"
        for ticks, at in zip(range(first, first + count), range(0, 8 * count, 8), strict=True)
    ]


@lru_cache(maxsize=2)  # a batch has hardly ever more than two
def _head(now_ms: int) -> str:
    return f"{now_ms >> 16 & 0xFFFFFFFF:08x}-{now_ms & 0xFFFF:04x}-7"


def key_at(ticks: int, random_bits: int) -> str:
    """Return a UUIDv7 as 32 hex digits.

    Args:
        ticks: since the epoch, 4,096 to the millisecond.
        random_bits: 64 of them; 62 are used.
    """
    head = (ticks & _ALL_TICKS) >> 12 << 16 | 0x7000 | ticks & 0xFFF
    return (head << 64 | 1 << 63 | random_bits >> 2).to_bytes(16).hex()


class _Ticks:
    """The wall clock in 1/4096 ms; every reading is later than the one before, in this process."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def take(self, count: int) -> int:
        """Return the first of so many ticks, which no other caller gets."""
        now = time.time_ns() * _TICKS_PER_MS // 1_000_000
        with self._lock:
            first = now if now > self._last else self._last + 1
            self._last = first + count - 1
            return first


_ticks = _Ticks()


CHUNK = 500
"""So many ids, or keys, are asked for at once."""


def chunks(ids: Iterable[str], size: int = CHUNK) -> Iterator[list[str]]:
    """Cut ids, or keys, into lists of at most this size, without repetitions."""
    unique = list(dict.fromkeys(ids))
    for start in range(0, len(unique), size):
        yield unique[start : start + size]


def job_id(table: str, key: str) -> str:
    """Return the id of a table's row."""
    return f"{table}:{key}"


def table_of(job_id: str) -> str:
    """Return the table that an id names; empty where it names none."""
    return job_id.partition(":")[0] if ":" in job_id else ""
