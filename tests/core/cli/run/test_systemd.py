"""Systemd is told that the process is up, alive and stopping."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sp00ky_core.cli.run.systemd import notified


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


async def test_it_says_up_alive_and_stopping(manager: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    environment = {
        "NOTIFY_SOCKET": manager.getsockname(),
        "WATCHDOG_USEC": "20000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    async with notified(environment):
        said = [await loop.sock_recv(manager, 100) for _ in range(4)]
    assert said == [b"READY=1", *[b"WATCHDOG=1"] * 3]
    rest = [b"WATCHDOG=1"]
    while rest[-1] == b"WATCHDOG=1":
        rest.append(await loop.sock_recv(manager, 100))
    assert rest[-1] == b"STOPPING=1"


@pytest.mark.parametrize("more", [{}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}])
async def test_without_a_watchdog_it_says_up_and_stopping(
    manager: socket.socket, more: dict[str, str]
) -> None:
    async with notified({"NOTIFY_SOCKET": manager.getsockname(), **more}):
        await asyncio.sleep(0.01)
    assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"STOPPING=1"]


@pytest.mark.parametrize(
    "environment", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}, {"NOTIFY_SOCKET": "@gone"}]
)
async def test_without_systemd_nothing_is_said(environment: dict[str, str]) -> None:
    async with notified(environment):
        await asyncio.sleep(0)
