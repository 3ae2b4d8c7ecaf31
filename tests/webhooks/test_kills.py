"""Runners that are killed while events are published: who answers gets each event that was committed."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import SystemRandom
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from tests.webhooks.conftest import Bench, MakeBench, Receiver, new_postgres_database

pytestmark = pytest.mark.slow

SECONDS = 12.0
GOOD, DEAD = 12, 8
KILLS = 5
RANDOM = SystemRandom()
SP00KY = str(Path(sys.executable).with_name("sp00ky"))


@asynccontextmanager
async def fleet(folder: Path) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """Run two runners; one is killed now and then, and another begins."""
    runners: list[asyncio.subprocess.Process] = []

    async def begin() -> None:
        quiet = asyncio.subprocess.DEVNULL
        runners.append(
            await asyncio.create_subprocess_exec(SP00KY, "run", cwd=folder, stdout=quiet, stderr=quiet)
        )

    async def kill_them() -> None:
        for _ in range(KILLS):
            await asyncio.sleep(SECONDS / KILLS)
            victim = runners.pop(RANDOM.randrange(len(runners)))
            victim.kill()
            await victim.wait()
            await begin()

    await begin()
    await begin()
    killing = asyncio.create_task(kill_them())
    yield runners
    await killing
    for runner in runners:
        with contextlib.suppress(ProcessLookupError):
            runner.terminate()
        await runner.wait()


async def test_no_event_is_lost_and_none_arrives_that_was_rolled_back(
    make_bench: MakeBench, receiver: Receiver, request: Any, tmp_path: Path
) -> None:
    over = asyncio.Event()

    async def hang(_request: web.BaseRequest) -> int:
        await over.wait()
        return 200

    receiver.answers |= {"/500": 500, "/429": (429, {"Retry-After": "3600"}), "/hang": hang}
    url = new_postgres_database(request)
    bench: Bench = await make_bench(url, "allowPrivate: [127.0.0.0/8], schedule: [0s, 1s, 1s]")
    create, ways = bench.webhooks.endpoints.create, ["500", "429", "hang"]
    for number in range(GOOD):
        await create(id=f"good{number}", url=f"{receiver.url}/good{number}", topics=["to.all"])
    for number in range(DEAD):
        place = "http://127.0.0.1:9999" if number % 4 == 3 else f"{receiver.url}/{ways[number % 4]}"
        await create(id=f"dead{number}", url=place, topics=["to.all"])
    committed, rolled_back = await published(bench, url, tmp_path)
    arrived = {(one.path, one.headers["webhook-id"]) for one in receiver.requests}
    async with fleet(tmp_path):
        async with asyncio.timeout(120):
            while len(missing := wanted(committed) - arrived) > 0:
                receiver.came.clear()
                await receiver.came.wait()
                arrived = {(one.path, one.headers["webhook-id"]) for one in receiver.requests}
        over.set()
    assert missing == set()
    assert not {event_id for _, event_id in arrived} & rolled_back


def wanted(committed: set[str]) -> set[tuple[str, str]]:
    """What is to arrive: each event at each endpoint that answers."""
    return {(f"/good{number}", event_id) for number in range(GOOD) for event_id in committed}


async def published(bench: Bench, url: str, folder: Path) -> tuple[set[str], set[str]]:
    """Publish in transactions while runners are killed, and roll every fifth back; the events of both."""
    committed, rolled_back = set[str](), set[str]()
    connection, loop = await asyncpg.connect(url), asyncio.get_running_loop()
    until = loop.time() + SECONDS
    async with fleet(folder):
        while loop.time() < until:
            transaction = connection.transaction()
            await transaction.start()
            event = await bench.webhooks.publish("to.all", {"n": len(committed)}, connection=connection)
            if RANDOM.random() < 0.2:
                await transaction.rollback()
                rolled_back.add(event.id)
            else:
                await transaction.commit()
                committed.add(event.id)
            await asyncio.sleep(0.1)
    await connection.close()
    return committed, rolled_back
