"""Attempts are cut off in time, and not before what has come for them is read."""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from sp00ky_conformance.transport.attempts import attempt_for
from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_core.job.outcome import CONNECT, Undelivered
from sp00ky_transport_http import HttpTransport
from sp00ky_transport_http.deadlines import Deadlines

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.param


def test_what_came_while_the_loop_stood_still_counts(run: Run) -> None:
    async def attempt() -> None:
        loop, deadlines = asyncio.get_running_loop(), Deadlines()
        mine, theirs = socket.socketpair()
        with mine, theirs:
            mine.setblocking(False)
            reading = asyncio.create_task(loop.sock_recv(mine, 100))
            deadlines.enter(reading, 0.05, lambda: True)
            await asyncio.sleep(0)
            theirs.send(b"answer")
            time.sleep(0.3)  # noqa: ASYNC251  # as a process that is frozen, or a plugin that computes
            assert await reading == b"answer"
            assert not deadlines.leave(reading)

    run(attempt())


def test_what_is_not_sent_yet_is_cut_off_at_once(run: Run) -> None:
    async def attempt() -> None:
        transport = HttpTransport()
        await transport.open()
        async with MisbehavingBackend() as server:
            await transport.deliver(attempt_for(server.url, "/json"))  # the engine is ready from here on
            fresh = attempt_for(server.url, "/json", timeout=0.1, last=True)
            connecting = asyncio.create_task(transport.deliver(fresh))
            await asyncio.sleep(0)
            time.sleep(0.4)  # noqa: ASYNC251  # as a process that is frozen
            outcome = await connecting
            await transport.close()
        assert isinstance(outcome, Undelivered)
        assert outcome.name == CONNECT

    run(attempt())


def test_a_loop_that_always_stands_still_cuts_off_too(run: Run) -> None:
    async def attempt() -> None:
        deadlines, task = Deadlines(), asyncio.create_task(asyncio.Event().wait())
        deadlines.enter(task, 0.05, lambda: True)
        while not task.done():
            time.sleep(0.15)  # noqa: ASYNC251  # longer than a look may be late
            await asyncio.sleep(0)
        assert deadlines.leave(task)
        assert task.cancelled()

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await attempt()

    run(bounded())
