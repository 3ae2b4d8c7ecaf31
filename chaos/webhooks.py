"""A session of webhooks: endpoints that answer, beside dead ones and a slow one with a long queue."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import attrs
from aiohttp import web

from chaos.backend import ChaoticBackend
from chaos.database import Database
from chaos.faults import GRACE, Scene
from chaos.history import EVERYBODY, Disturbance
from chaos.monkey import Monkey
from chaos.schedules import AROUND, KINDS
from chaos.stage import LAST_JOBS, beside, staged
from sp00ky_core import JobStatus, NewJob, Outbox
from sp00ky_core.ports import JobFilter
from sp00ky_webhooks import Webhooks

__all__ = ["Hooked", "run_webhooks"]

SECTION = """\
  hooks:
    baseUrl: webhook://endpoints
    method: {type: outbox, table: webhook}
    timeout: 5s
    concurrency: 50
webhooks: {allowPrivate: [127.0.0.0/8], schedule: [1s, 2s, 5s, 5s, 10s, 10s, 10s]}
"""
WAYS = ("refused", "hang", "500", "429")
SLOW = 1.0
"""Seconds that the slow receiver takes."""

BATCH = 1_000
PATIENCE = 30.0
"""Seconds that an event may take on a busy machine, where nothing is broken."""


@attrs.define
class Receiver:
    """A server whose answers are as the path wants them.

    Attributes:
        url: Its address.
        came: When each event first came to each endpoint that answers, by the event's id and the endpoint.
        slow: Deliveries to the slow one, by the job's number.
        again: Requests for what had been answered.
    """

    url: str = ""
    came: dict[tuple[str, str], float] = attrs.field(factory=dict)
    slow: Counter[int] = attrs.field(factory=Counter)
    again: int = 0

    @property
    @asynccontextmanager
    async def server(self) -> AsyncIterator[None]:
        runner = web.ServerRunner(web.Server(self._answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1_024).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        event, (way, _, name) = json.loads(await request.read()), request.path[1:].partition("/")
        if way == "good":
            key = (event["id"], name)
            self.again += key in self.came
            self.came.setdefault(key, time.time())
        elif way == "slow":
            self.slow[event["n"]] += 1
            await asyncio.sleep(SLOW)
        elif way == "hang":
            await asyncio.sleep(60)
        headers = {"Retry-After": "3600"} if way == "429" else {}
        return web.Response(status={"500": 500, "429": 429}.get(way, 204), headers=headers)


@attrs.frozen(kw_only=True)
class Hooked:
    """What a session has shown.

    Attributes:
        committed: When each event was committed, by its id.
        rolled_back: Events that weren't.
        endpoints: Those that answer.
        came: When each came to each.
        again: Requests for what had been answered.
        waiting: The jobs that waited for the slow one.
        left: How many of them are as they were made, or under way.
        delivered: How many of them have succeeded.
        slow: How often each came.
        disturbances: What was broken.
        outcries: Lines of the runners' logs that tell of a bug.
    """

    committed: Mapping[str, float]
    rolled_back: Collection[str]
    endpoints: Sequence[str]
    came: Mapping[tuple[str, str], float]
    again: int
    waiting: int
    left: int
    delivered: int
    slow: Mapping[int, int]
    disturbances: Sequence[Disturbance]
    outcries: Sequence[str] = ()

    def complaints(self) -> list[str]:
        """What should not have happened."""
        return [*self._lost(), *self._untimely(), *self.outcries]

    def figures(self) -> str:
        """Numbers, in one sentence."""
        seconds = self.seconds()
        cuts = statistics.quantiles(seconds, n=100) if len(seconds) > 1 else [0.0] * 99
        faults = ", ".join(
            f"{n} {count}" for n, count in sorted(Counter(d.kind for d in self.disturbances).items())
        )
        lost, took = sum(1 for _ in self._lost()), f"{cuts[49]:.2f} s (median), {cuts[98]:.2f} s (p99)"
        return (
            f"{len(self.committed):,} events committed to {len(self.endpoints)} endpoints that answer, "
            f"{lost} lost; {len(self.rolled_back):,} rolled back, none of them sent; {self.again:,} requests "
            f"for what had been answered. Beside {self.waiting:,} deliveries that waited for a slow one, "
            f"of which {self.delivered:,} came, an event took {took}, "
            f"{max(seconds, default=0.0):.2f} s at most, apart from outages of the database. Broken: {faults}"
        )

    def seconds(self) -> list[float]:
        """Seconds from the commit to the arrival, apart from those around an outage; sorted."""
        return sorted(
            at - self.committed[event]
            for (event, _), at in self.came.items()
            if event in self.committed and not self._is_out(self.committed[event], at)
        )

    def _lost(self) -> Iterator[str]:
        for event in self.committed:
            for endpoint in self.endpoints:
                if (event, endpoint) not in self.came:
                    yield f"event {event} was committed and didn't come to {endpoint}"
        for event in {event for event, _ in self.came} & {*self.rolled_back}:
            yield f"event {event} was rolled back and sent"
        if self.left + self.delivered != self.waiting:
            yield f"of {self.waiting} deliveries to the slow one {self.left} wait, {self.delivered} came"
        if self.delivered > len(self.slow):
            yield f"{self.delivered} deliveries to the slow one succeeded, and {len(self.slow)} came"

    def _untimely(self) -> Iterator[str]:
        if (most := max(self.seconds(), default=0.0)) > PATIENCE:
            yield f"an event took {most:.1f} s"

    def _is_out(self, since: float, until: float) -> bool:
        return any(
            one.runner == EVERYBODY and one.since < until + AROUND and since < one.until + AROUND
            for one in self.disturbances
        )


@attrs.define
class _Publisher:
    """Publishes events in transactions, and rolls some back, until cancelled."""

    webhooks: Webhooks
    transactions: Any
    random: Random
    rate: float
    committed: dict[str, float] = attrs.field(factory=dict)
    rolled_back: set[str] = attrs.field(factory=set)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self.random.expovariate(self.rate))
            with suppress(Exception):  # the database is broken all the time; what is known is written down
                await asyncio.wait_for(self._publish(), 10)

    async def _publish(self) -> None:
        topic = self.random.choice(("to.good", "to.good", "to.dead"))
        if self.transactions is None:
            event = await self.webhooks.publish(topic, {})
        else:
            async with self.transactions() as (connection, transaction):
                event = await self.webhooks.publish(topic, {}, connection=connection)
                if self.random.random() < 0.2:  # a share
                    await transaction.rollback()
                    self.rolled_back.add(event.id)
                    return
                await transaction.commit()
        if topic == "to.good":
            self.committed[event.id] = time.time()


async def run_webhooks(
    *,
    seed: int,
    seconds: float,
    database: Database,
    folder: Path,
    runners: int = 4,
    good: int = 40,
    dead: int = 20,
    waiting: int = 100_000,
    rate: float = 5.0,
) -> Hooked:
    """Break everything for a while; wait until each event has come to those that answer."""
    receiver, random = Receiver(), Random(f"webhooks {seed}")  # noqa: S311  # repeatable, and no secret
    chaotic = ChaoticBackend(seed, weights={"ok": 1})
    setting = staged(database, folder, chaotic, runners=runners, grace=GRACE, extra=SECTION, seed=seed)
    async with receiver.server, setting as stage:
        webhooks = stage.outbox.extension(Webhooks)
        for number in range(good):
            await webhooks.endpoints.create(
                id=f"good{number}", url=f"{receiver.url}/good/good{number}", topics=["to.good"]
            )
        for number in range(dead):
            way = WAYS[number % len(WAYS)]
            url = "http://127.0.0.1:9000" if way == "refused" else f"{receiver.url}/{way}/{number}"
            await webhooks.endpoints.create(id=f"dead{number}", url=url, topics=["to.dead"])
        await webhooks.endpoints.create(id="slow", url=f"{receiver.url}/slow/slow", topics=["to.slow"])
        await _wait_for_the_slow_one(stage.outbox, waiting)
        transactions = database.transactions(database.url(stage.application.port))
        publisher = _Publisher(webhooks, transactions, random, rate)
        scene = Scene(
            database=database,
            fleet=stage.fleet,
            enqueuer=stage.enqueuer,
            application=stage.application,
            random=Random(f"monkey {seed}"),  # noqa: S311  # repeatable, and no secret
        )
        async with beside(stage.enqueuer.run(), publisher.run()):
            await (Monkey(scene, KINDS).run(seconds) if seconds else asyncio.sleep(AROUND))
        await stage.enqueuer.finish()
        names = [f"good{number}" for number in range(good)]
        await _until_all_came(receiver, publisher.committed, names)
        await stage.fleet.stop_all()
        left = [await _waiting(webhooks, status) for status in (JobStatus.PENDING, JobStatus.PROCESSING)]
        return Hooked(
            committed=publisher.committed,
            rolled_back=publisher.rolled_back,
            endpoints=names,
            came=receiver.came,
            again=receiver.again,
            waiting=waiting,
            left=sum(left),
            delivered=await _waiting(webhooks, JobStatus.SUCCESS),
            slow=receiver.slow,
            disturbances=scene.disturbances,
            outcries=stage.fleet.outcries(),
        )


async def _wait_for_the_slow_one(outbox: Outbox, count: int) -> None:
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        jobs = [NewJob(path="/slow", payload={"id": f"evt_{n}", "n": n}, max_retries=7) for n in numbers]
        await outbox.run_many("hooks", jobs)


async def _waiting(webhooks: Any, status: JobStatus) -> int:
    """Count the slow one's deliveries in a status."""
    count: int = await webhooks.context.named.count(JobFilter(backend="hooks", path="/slow", status=status))
    return count


async def _until_all_came(receiver: Receiver, events: Collection[str], endpoints: Sequence[str]) -> None:
    """Wait for what is missing; what doesn't come by then is told as lost."""
    wanted = {(event, endpoint) for event in events for endpoint in endpoints}
    left, deadline = -1, time.monotonic() + LAST_JOBS
    while (missing := len(wanted - receiver.came.keys())) and time.monotonic() < deadline:
        if missing != left:
            left, deadline = missing, time.monotonic() + LAST_JOBS
        await asyncio.sleep(0.5)
