"""Measure what workflows and batches cost beside plain jobs, and how soon a step follows: on PostgreSQL.

``python -m benchmarks.workflows`` takes two minutes. The receiver and the runner are processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs
import uvloop
from aiohttp import web

from benchmarks.on_postgres.server import Postgres, running
from sp00ky_core import NewJob, Outbox
from sp00ky_workflows import Workflows

OPEN = {"post": {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}}
DOCUMENT = {"openapi": "3.1.0", "info": {"title": "shop", "version": "1"}, "paths": {"/do": OPEN}}
FILE = """\
backends:
  shop: {{spec: openapi.json, baseUrl: "{url}", concurrency: 100, method: {{type: outbox, table: job}}}}
store: "{store}"
"""
PAYLOAD = {"id": 7, "note": "x" * 180}
JOBS_LEFT = "SELECT 1 FROM job WHERE status IN ('pending', 'processing') LIMIT 1"
WORKFLOWS_LEFT = "SELECT 1 FROM sp00ky_workflow WHERE status = 'running' LIMIT 1"
BATCHES_LEFT = "SELECT 1 FROM sp00ky_batch WHERE closed < 2 LIMIT 1"
SETTLED = """
SELECT s.job_id, max(extract(epoch FROM j.updated_at)) AS settled
FROM sp00ky_step s
CROSS JOIN json_array_elements_text(s.definition -> 'after') AS a(name)
JOIN sp00ky_step d ON d.workflow_id = s.workflow_id AND d.name = a.name
JOIN job j ON j.id::text = split_part(d.job_id, ':', 2)
GROUP BY s.job_id
"""
"""Of each step that waited: its job, and when the last of those that it waited for was settled."""
LONGEST = 120.0
"""Seconds that a backlog gets."""


class Receiver:
    """Answers at once, and keeps when each job came."""

    def __init__(self) -> None:
        self.came: dict[str, float] = {}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        self.came[request.headers["Idempotency-Key"]] = time.time()
        await request.read()
        return web.json_response({"id": 7})


def _serve(pipe: Connection) -> None:
    uvloop.run(_served(pipe))


async def _served(pipe: Connection) -> None:
    receiver = Receiver()
    runner = web.ServerRunner(web.Server(receiver.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1_024).start()
    pipe.send(runner.addresses[0][1])
    while await asyncio.to_thread(pipe.recv):
        taken, receiver.came = receiver.came, {}
        pipe.send(taken)


@attrs.frozen
class Stand:
    """What is measured on: an outbox, and a receiver."""

    outbox: Outbox
    url: str
    file: Path
    pipe: Any

    @property
    def workflows(self) -> Workflows:
        """Its workflows."""
        return self.outbox.extension(Workflows)

    def came(self) -> dict[str, float]:
        """Take when each job came since this was last asked."""
        self.pipe.send(True)
        came: dict[str, float] = self.pipe.recv()
        return came

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """Run a runner, as a process, which beats by now."""
        command = [str(Path(sys.executable).with_name("sp00ky")), "run", "--config", str(self.file)]
        with (self.file.parent / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            while not await self.outbox.runners():  # noqa: ASYNC110  # it is another process
                await asyncio.sleep(0.01)
            yield
        finally:
            process.terminate()
            await process.wait()

    async def seconds(self, left: str) -> float:
        """Return how long a runner takes, from the first request on, until a query finds no row any more."""
        self.came()
        connection = await asyncpg.connect(self.url)
        try:
            async with self.delivering(), asyncio.timeout(LONGEST):
                while await connection.fetchrow(left):  # noqa: ASYNC110  # nothing tells
                    await asyncio.sleep(0.02)
                ended = time.time()
        finally:
            await connection.close()
        return ended - min(self.came().values())


@asynccontextmanager
async def stand(server: Postgres) -> AsyncIterator[Stand]:
    """Make an empty database, and a receiver."""
    here, there = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,), daemon=True)
    receiver.start()
    url = f"http://127.0.0.1:{here.recv()}"
    with tempfile.TemporaryDirectory() as folder:
        async with server.database() as database:
            file = Path(folder) / "sp00ky.yml"
            file.write_text(FILE.format(store=database, url=url))
            (file.parent / "openapi.json").write_text(json.dumps(DOCUMENT))
            async with Outbox.open(file) as outbox:
                await outbox.migrate()
                yield Stand(outbox, database, file, here)
    receiver.terminate()
    receiver.join()


async def workflow(stand: Stand) -> str:
    """Create a workflow of five steps: one, three after it, and one after these."""
    async with stand.workflows.create("five") as w:
        first = w.step("a", "shop", "/do", PAYLOAD)
        middle = [w.step(name, "shop", "/do", PAYLOAD, after=[first]) for name in "bcd"]
        w.step("e", "shop", "/do", PAYLOAD, after=middle)
    return w.id


async def throughput(server: Postgres, many: int) -> dict[str, float]:
    """Return how many jobs come in a second: plain ones, and those of as many steps of workflows."""
    async with stand(server) as made:
        await _plain(made, 5 * many)
        plain = await made.seconds(JOBS_LEFT)
    async with stand(server) as made:
        await asyncio.gather(*[workflow(made) for _ in range(many)])
        steps = await made.seconds(WORKFLOWS_LEFT)
    return {"plain": 5 * many / plain, "steps": 5 * many / steps}


async def _plain(made: Stand, many: int) -> None:
    for start in range(0, many, 1_000):
        jobs = [NewJob(path="/do", payload=PAYLOAD) for _ in range(min(many - start, 1_000))]
        await made.outbox.run_many("shop", jobs)


async def latency(server: Postgres, rate: float, seconds: float) -> list[float]:
    """Return how long after the settle of the last step that it waits for each step's request came."""
    loop = asyncio.get_running_loop()
    async with stand(server) as made:
        async with made.delivering():
            began = loop.time()
            for number in range(int(rate * seconds)):
                await asyncio.sleep(max(began + number / rate - loop.time(), 0))
                await workflow(made)
            await asyncio.sleep(2)
        came = made.came()
        connection = await asyncpg.connect(made.url)
        try:
            rows = await connection.fetch(SETTLED)
        finally:
            await connection.close()
    return sorted(came[row["job_id"]] - float(row["settled"]) for row in rows if row["job_id"] in came)


async def batches(server: Postgres, many: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return the seconds that enqueueing and delivering take: of jobs without a batch, and of members."""
    async with stand(server) as made:
        began = time.perf_counter()
        await _plain(made, many)
        without = {"enqueue": time.perf_counter() - began, "deliver": await made.seconds(JOBS_LEFT)}
    async with stand(server) as made:
        began = time.perf_counter()
        async with made.workflows.batch("import", on_done=("shop", "/do", {})) as batch:
            for start in range(0, many, 1_000):
                jobs = [NewJob(path="/do", payload=PAYLOAD) for _ in range(min(many - start, 1_000))]
                await batch.run_many("shop", jobs)
        members = {"enqueue": time.perf_counter() - began, "deliver": await made.seconds(BATCHES_LEFT)}
    return without, members


async def _throughput(server: Postgres, chosen: argparse.Namespace) -> None:
    for _ in range(chosen.rounds):
        rates = await throughput(server, chosen.workflows)
        print(f"{rates['plain']:,.0f} plain jobs a second, {rates['steps']:,.0f} steps:", end=" ")
        print(f"{rates['steps'] / rates['plain']:.2f}", flush=True)


async def _latency(server: Postgres, chosen: argparse.Namespace) -> None:
    waits = await latency(server, chosen.rate, chosen.seconds)
    p50, p99 = (waits[int(len(waits) * share)] * 1_000 for share in (0.5, 0.99))
    print(f"{len(waits)} steps, {chosen.rate} workflows a second: p50 {p50:.1f} ms, p99 {p99:.1f} ms")


async def _batches(server: Postgres, chosen: argparse.Namespace) -> None:
    ratios = list[float]()
    for _ in range(chosen.rounds):
        without, members = await batches(server, chosen.members)
        ratios.append(sum(members.values()) / sum(without.values()))
        said = ", ".join(f"{name} {members[name] / without[name]:.2f}" for name in without)
        print(f"{chosen.members:,} members cost {ratios[-1]:.2f} times what they cost without: {said}")
    print(f"median {statistics.median(ratios):.2f}")


MEASUREMENTS = {"throughput": _throughput, "latency": _latency, "batches": _batches}


async def _measure(chosen: argparse.Namespace) -> None:
    with running() as server:
        for name in chosen.only or MEASUREMENTS:
            await MEASUREMENTS[name](server, chosen)


def main() -> None:
    """Measure, and print a line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workflows", type=int, default=1_000)
    parser.add_argument("--rate", type=float, default=20.0, help="workflows in a second, for the latency")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--members", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("only", nargs="*", metavar="|".join(MEASUREMENTS))
    uvloop.run(_measure(parser.parse_args()))


if __name__ == "__main__":
    main()
