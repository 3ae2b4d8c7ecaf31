"""Measure what endpoints that are down cost the others, and what an event costs beside jobs: on PostgreSQL.

``python -m benchmarks.webhooks`` takes six minutes. The receiver and the runner are processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import attrs
import uvloop
from aiohttp import web

from benchmarks.on_postgres.server import Postgres, running
from sp00ky_core import NewJob, Outbox
from sp00ky_core.ports import ExtensionTransaction
from sp00ky_webhooks import Webhooks
from sp00ky_webhooks.tables import ENDPOINTS, SUBSCRIPTIONS, subscriptions_of

FILE = """\
backends:
  hooks:
    baseUrl: webhook://endpoints
    timeout: 10s
    concurrency: 100
    method: {{type: outbox, table: webhook}}
store: "{store}"
webhooks: {{allowPrivate: [127.0.0.0/8]}}
"""
WAYS = ("refused", "hang", "500", "429")
SLOW = 1.0
"""Seconds that the slow receiver takes."""
SETTLED = 5.0
"""Seconds in which the last events come."""
LONGEST = 300.0
"""Seconds that a backlog gets."""


class Receiver:
    """Answers by path, and keeps how long after its publication each event came."""

    def __init__(self) -> None:
        self.latencies: list[float] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        body = json.loads(await request.read())
        way = request.path.split("/")[1]
        if way == "hang":
            await asyncio.sleep(3_600)
        if way == "slow":
            await asyncio.sleep(SLOW)
        if way == "good":
            self.latencies.append(time.time() - body["data"]["at"])
        headers = {"Retry-After": "3600"} if way == "429" else {}
        return web.Response(status={"500": 500, "429": 429}.get(way, 204), headers=headers)


def _serve(pipe: Connection) -> None:
    uvloop.run(_served(pipe))


async def _served(pipe: Connection) -> None:
    receiver = Receiver()
    runner = web.ServerRunner(web.Server(receiver.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1_024).start()
    pipe.send(runner.addresses[0][1])
    while await asyncio.to_thread(pipe.recv):
        taken, receiver.latencies = receiver.latencies, []
        pipe.send(taken)


@attrs.frozen
class Stand:
    """What is measured on: an outbox with endpoints, and a receiver."""

    outbox: Outbox
    webhooks: Webhooks
    file: Path
    pipe: Any

    def taken(self) -> list[float]:
        """Take the seconds that events took since this was last asked."""
        self.pipe.send(True)
        latencies: list[float] = self.pipe.recv()
        return latencies

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[float]:
        """Run a runner, as a process; yield when it has begun to beat."""
        command = [str(Path(sys.executable).with_name("sp00ky")), "run", "--config", str(self.file)]
        with (self.file.parent / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            while not await self.outbox.runners():  # noqa: ASYNC110  # it is another process
                await asyncio.sleep(0.02)
            yield time.monotonic()
        finally:
            process.terminate()
            await process.wait()


@asynccontextmanager
async def stand(server: Postgres, many: int, dead: int) -> AsyncIterator[Stand]:
    """Make ``many`` endpoints that answer, and ``dead`` ones beside them."""
    here, there = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,), daemon=True)
    receiver.start()
    url, closed = f"http://127.0.0.1:{here.recv()}", _closed_port()
    with tempfile.TemporaryDirectory() as folder:
        async with server.database() as database:
            file = Path(folder) / "sp00ky.yml"
            file.write_text(FILE.format(store=database))
            async with Outbox.open(file) as outbox:
                await outbox.migrate()
                webhooks = outbox.extension(Webhooks)
                places = {f"good{number}": f"{url}/good/{number}" for number in range(many)}
                for number in range(dead):
                    way = WAYS[number % len(WAYS)]
                    at = f"http://127.0.0.1:{closed}" if way == "refused" else url
                    places[f"dead{number}"] = f"{at}/{way}/{number}"
                await _create(webhooks, places | {"slow": f"{url}/slow/0"})
                yield Stand(outbox, webhooks, file, here)
    receiver.terminate()
    receiver.join()


async def _create(webhooks: Webhooks, places: Mapping[str, str]) -> None:
    """Make endpoints as ``create`` does, a thousand at a time."""
    await webhooks.endpoints.create(id="model", url="http://127.0.0.1:8000/", topics=["to.model"])
    (model,) = await webhooks.context.read(lambda tx: tx.select(ENDPOINTS))
    names = [*places]
    for start in range(0, len(names), 1_000):
        some = names[start : start + 1_000]

        async def insert(tx: ExtensionTransaction, some: Sequence[str] = some) -> None:
            rows = [{**model, "id": n, "url": places[n], "topics": json.dumps([f"to.{n}"])} for n in some]
            await tx.insert(ENDPOINTS, rows)
            await tx.insert(SUBSCRIPTIONS, [one for row in rows for one in subscriptions_of(row)])

        await webhooks.context.transact(insert)


def _closed_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


async def at_a_rate(stand: Stand, names: Sequence[str], rate: float, seconds: float) -> None:
    """Publish events to endpoints by chance, so many in a second."""
    loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(began + number / rate - loop.time(), 0))
        topic = f"to.{random.choice(names)}"
        await stand.webhooks.publish(topic, {"at": time.time()})


async def latency(stand: Stand, good: int, dead: int, seconds: float, rate: float) -> list[float]:
    """Return how long events to endpoints that answer take, ``dead`` others having their share of them."""
    names = [f"good{n}" for n in range(good)] + [f"dead{n}" for n in range(dead)]
    async with stand.delivering():
        await at_a_rate(stand, names, rate * len(names) / good, seconds / 3)  # until what is down is known
        await asyncio.sleep(SETTLED)
        stand.taken()
        await at_a_rate(stand, names, rate * len(names) / good, seconds)
        await asyncio.sleep(SETTLED)
    return sorted(stand.taken())


async def throughput(stand: Stand, good: int, dead: int, each: int) -> float:
    """Return how many deliveries to endpoints that answer are made in a second, of a backlog."""
    names = [f"good{n}" for n in range(good)] + [f"dead{n}" for n in range(dead)]
    await enqueue(stand, names * each)
    came = 0
    async with stand.delivering() as began:
        while came < good * each and time.monotonic() < began + LONGEST:
            await asyncio.sleep(0.1)
            came += len(stand.taken())
        return came / (time.monotonic() - began)


async def enqueue(stand: Stand, names: Sequence[str]) -> None:
    """Enqueue deliveries as events make them, in any order."""
    shuffled = random.sample(names, len(names))
    body = {"id": "evt_1", "type": "a", "data": {"at": time.time()}}
    for start in range(0, len(shuffled), 1_000):
        some = shuffled[start : start + 1_000]
        await stand.outbox.run_many(
            "hooks", [NewJob(path=f"/{name}", payload=body, max_retries=7) for name in some]
        )


async def behind_a_slow_one(
    stand: Stand, good: int, waiting: int, seconds: float, rate: float
) -> list[float]:
    """Return how long events take while another endpoint has a long queue, and is slow."""
    await enqueue(stand, ["slow"] * waiting)
    async with stand.delivering():
        await asyncio.sleep(seconds / 3)
        stand.taken()
        await at_a_rate(stand, [f"good{n}" for n in range(good)], rate, seconds)
        await asyncio.sleep(SETTLED)
    return sorted(stand.taken())


async def publishing(stand: Stand, times: int) -> tuple[float, float]:
    """Return the median seconds of an event to three endpoints, and of three jobs."""
    for number in range(3):
        await stand.webhooks.endpoints.update(f"good{number}", topics=["three.*"])
    spent: dict[str, list[float]] = {"event": [], "jobs": []}
    jobs = [NewJob(path=f"/good{n}", payload={"data": {"at": 0}}) for n in range(3)]
    for _ in range(times):
        began = time.perf_counter()
        await stand.webhooks.publish("three.times", {"at": 0})
        between = time.perf_counter()
        await stand.outbox.run_many("hooks", jobs)
        spent["event"].append(between - began)
        spent["jobs"].append(time.perf_counter() - between)
    return statistics.median(spent["event"]), statistics.median(spent["jobs"])


def _said(name: str, latencies: Sequence[float]) -> str:
    p50, p99 = (latencies[int(len(latencies) * share)] * 1_000 for share in (0.5, 0.99))
    return f"{name}: {len(latencies)} events, p50 {p50:.1f} ms, p99 {p99:.1f} ms"


async def _beside_dead(server: Postgres, chosen: argparse.Namespace) -> None:
    good, dead = chosen.endpoints - chosen.dead, chosen.dead
    async with stand(server, good, dead) as made:
        taken: dict[int, list[float]] = {0: [], dead: []}
        for some in (0, dead, dead, 0) * (chosen.rounds // 2):  # in turns: the machine may have others' work
            taken[some] += await latency(made, good, some, chosen.seconds, chosen.rate)
        for some, latencies in taken.items():
            print(_said(f"{some} dead of {good + some}", sorted(latencies)), flush=True)
        alone, beside = [await throughput(made, good, some, chosen.each) for some in (0, dead)]
        print(f"backlog: {alone:.0f} a second, {beside:.0f} beside {dead} dead: {beside / alone:.2f}")


async def _beside_slow(server: Postgres, chosen: argparse.Namespace) -> None:
    async with stand(server, chosen.endpoints, 0) as made:
        for waiting in (0, chosen.waiting):
            slow = await behind_a_slow_one(made, chosen.endpoints, waiting, chosen.seconds, chosen.rate)
            print(_said(f"beside {waiting} waiting for a slow one", slow))


async def _publishing(server: Postgres, chosen: argparse.Namespace) -> None:
    async with stand(server, chosen.many, 0) as made:
        event, jobs = await publishing(made, 300)
        print(f"of {chosen.many} endpoints: an event to 3 {event * 1e3:.2f} ms, 3 jobs {jobs * 1e3:.2f} ms")


MEASUREMENTS = {"dead": _beside_dead, "slow": _beside_slow, "publishing": _publishing}


async def _measure(chosen: argparse.Namespace) -> None:
    with running() as server:
        for name in chosen.only or MEASUREMENTS:
            await MEASUREMENTS[name](server, chosen)


def main() -> None:
    """Measure, and print a line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=1_000)
    parser.add_argument("--dead", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=4, help="with the dead ones, and without; even")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument(
        "--rate", type=float, default=150.0, help="events in a second to endpoints that answer"
    )
    parser.add_argument("--each", type=int, default=20, help="deliveries of the backlog for each endpoint")
    parser.add_argument("--waiting", type=int, default=100_000)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("only", nargs="*", metavar="|".join(MEASUREMENTS))
    uvloop.run(_measure(parser.parse_args()))


if __name__ == "__main__":
    main()
