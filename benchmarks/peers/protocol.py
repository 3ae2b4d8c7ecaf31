"""Drive a peer written in Python; runs in the peer's own environment, so it imports nothing of ours.

``tables URL`` | ``fill URL JOBS`` | ``enqueue URL JOBS BATCH`` | ``work URL TARGET``

``enqueue`` and ``work`` print ``ready`` and wait for a line before they begin. ``enqueue`` then prints one
JSON document. ``work`` runs until it is killed; where TARGET is ``-`` it sends nothing and prints how many
jobs it has done.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import aiohttp
import uvloop

__all__ = [
    "SLOTS",
    "NOTHING",
    "SAID_EVERY",
    "Add",
    "Begin",
    "Perform",
    "Peer",
    "main",
    "payload",
    "performer",
    "counter",
]

SLOTS = 100
"""Requests at a time."""

NOTHING = "-"
"""The target of jobs for which nothing is sent."""

SAID_EVERY = 500
"""Jobs between two lines that tell the progress."""

HEADERS = {"Content-Type": "application/json"}

Add = Callable[[list[dict[str, Any]]], Awaitable[object]]
"""Enqueues jobs with these payloads, in one transaction."""

Perform = Callable[[bytes], Awaitable[None]]
"""Does what a job asks for, given its payload as JSON."""

Begin = Callable[[], Awaitable[None]]
"""Returns when the work may begin."""


class Peer(Protocol):
    """A job queue, as a program."""

    async def tables(self, url: str) -> None:
        """Create its tables in an empty database."""

    def producer(self, url: str, *, single: bool) -> AbstractAsyncContextManager[Add]:
        """Open what enqueues; ``single``: each call has one payload."""

    async def work(self, url: str, target: str, begin: Begin) -> None:
        """Set everything up, call ``begin``, and perform jobs for ever."""


def payload(number: int) -> dict[str, Any]:
    """Make a payload of 200 bytes."""
    return {"id": number, "note": f"{number:0>170}"}


async def _begin() -> None:
    """Say that everything is set up, and wait until the work may begin."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


async def _enqueue(add: Add, jobs: int, batch: int) -> None:
    """Enqueue so many jobs, ``batch`` at a time."""
    for first in range(0, jobs, batch):
        await add([payload(number) for number in range(first, min(first + batch, jobs))])


@asynccontextmanager
async def performer(target: str) -> AsyncIterator[Perform]:
    """POST to the target with aiohttp, or count where nothing is to be sent."""
    if target == NOTHING:
        yield counter()
        return
    connector = aiohttp.TCPConnector(limit=SLOTS)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def post(body: bytes) -> None:
            async with session.post(f"{target}/spookify", data=body, headers=HEADERS) as response:
                await response.read()

        yield post


def counter() -> Perform:
    """Return what does nothing but print its progress."""
    done = 0

    async def count(body: bytes) -> None:
        nonlocal done
        done += 1
        if done % SAID_EVERY == 0:
            print(done, flush=True)

    return count


def main(peer: Peer, words: list[str] | None = None) -> None:
    """Do the task of the command line."""
    logging.disable(logging.WARNING)
    task, url, *rest = words or sys.argv[1:]
    if task == "tables":
        uvloop.run(peer.tables(url))
    elif task == "fill":
        uvloop.run(_fill(peer, url, int(rest[0])))
    elif task == "enqueue":
        uvloop.run(_measure(peer, url, *map(int, rest)))
    else:
        uvloop.run(peer.work(url, rest[0], _begin))


async def _fill(peer: Peer, url: str, jobs: int) -> None:
    async with peer.producer(url, single=False) as add:
        await _enqueue(add, jobs, 1_000)


async def _measure(peer: Peer, url: str, jobs: int, batch: int) -> None:
    async with peer.producer(url, single=batch == 1) as add:
        await _enqueue(add, batch, batch)
        await _begin()
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        await _enqueue(add, jobs, batch)
        seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"jobs": jobs, "seconds": seconds, "cpu_seconds": cpu_seconds}), flush=True)
