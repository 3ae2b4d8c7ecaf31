"""Jobs of a small shop, some hours of them: what the dashboard's tests and its pictures show."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs

from sp00ky_conformance.store.harness import settlement
from sp00ky_core import JobStatus, NewJob, Outbox
from sp00ky_core.outcome import Delivered, Undelivered
from sp00ky_core.ports import BUCKETS, RunnerInfo
from sp00ky_core.scheduler.changes import define, tables_of
from sp00ky_core.stores.memory.store import MemoryStore

POST = {
    "post": {
        "requestBody": {
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {"id": {"type": "string"}, "amount": {"type": "integer"}},
                    }
                }
            }
        },
        "responses": {"200": {"description": "done"}},
    }
}

CONFIG = """\
store: {store}
backends:
  api: {{spec: openapi.json, baseUrl: 'http://127.0.0.1:1', method: {{table: job}}}}
  billing:
    spec: openapi.json
    baseUrl: http://127.0.0.1:1
    method: {{table: invoice}}
    rate: {{limit: 20, per: 1s}}
    maxInFlight: 40
schedules:
  nightly-report: {{cron: "30 2 * * *", timezone: Europe/Berlin, backend: api, route: /report}}
  heartbeat: {{every: 5m, backend: api, route: /spookify, payload: {{id: beat}}}}
"""

FAILURES = (
    Undelivered(name="timeout", code=0, reason="no answer within 10 s"),
    Undelivered(name="http_status", code=500, reason='500: {"error": "the ghost in the machine is out"}'),
    Undelivered(
        name="http_status", code=422, reason='422: {"detail": "amount must be positive"}', retryable=False
    ),
)


def write_files(folder: Path, store: str) -> Path:
    """Write sp00ky.yml and its document; the file."""
    document = {
        "openapi": "3.1.0",
        "info": {"title": "shop", "version": "1"},
        "paths": dict.fromkeys(("/spookify", "/charge", "/report"), POST),
    }
    (folder / "openapi.json").write_text(json.dumps(document))
    config = folder / "sp00ky.yml"
    config.write_text(CONFIG.format(store=store))
    return config


@attrs.define
class Clock:
    """A clock that stands until it is moved."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at

    def go(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@asynccontextmanager
async def opened(folder: Path, store: str = "memory://") -> AsyncIterator[Outbox]:
    """An outbox of the shop, migrated."""
    async with Outbox.open(write_files(folder, store)) as outbox:
        await outbox.store.migrate()  # the outbox's `migrate` would stand in the audit
        await define(outbox.store, outbox.config.schedules, tables_of(outbox.backends))
        yield outbox


@asynccontextmanager
async def opened_shop(folder: Path) -> AsyncIterator[Outbox]:
    """The shop in memory, after some busy hours: for pictures."""
    clock = Clock(datetime.now(UTC) - timedelta(hours=3))
    async with opened(folder) as outbox:
        store = outbox.store
        assert isinstance(store, MemoryStore)
        store._rows.now = clock  # hours pass at once
        await play(outbox, clock)
        store._rows.now = lambda: datetime.now(UTC)
        outbox.rates = scripted_rates  # type: ignore[attr-defined]
        beating = asyncio.create_task(keep_beating(outbox))
        yield outbox
        beating.cancel()


async def keep_beating(outbox: Outbox) -> None:
    """Be two runners, of which one is at work."""
    held = {"web-1-4242": {"api": 0, "billing": 0}, "web-2-4711": {"api": 9, "billing": 0}}
    while True:
        for name, in_flight in held.items():
            info = RunnerInfo(version="0.2.0", in_flight=in_flight, slots={"api": 50, "billing": 20})
            await outbox.store.beat(name, info)
        await asyncio.sleep(2)


async def play(outbox: Outbox, clock: Clock) -> None:
    """Let some hours pass."""
    chance = random.Random(7)  # noqa: S311
    for minute in range(178):
        clock.go(60)
        await enqueue(outbox, minute, chance)
        await deliver(outbox, chance)
    await outbox.schedules.trigger("heartbeat", actor="ada")
    await outbox.schedules.pause("nightly-report", actor="grace", reason="the books are closed")
    failed = await outbox.find(status=JobStatus.FAILED, limit=3)
    await outbox.redrive(*(each.id for each in failed), actor="ada", reason="the backend is back")
    await outbox.pause(
        "billing", actor="grace", reason="the bank is down until noon", duration=timedelta(hours=1)
    )
    await outbox.run("api", "/spookify", {"id": "order-7001"}, ordering_key="order-7001")
    for n in range(4):
        await outbox.run("api", "/spookify", {"id": f"order-7001-{n}"}, ordering_key="order-7001")
    clock.go(50)
    await outbox.store.claim({"api": 9}, "web-2-4711")


async def enqueue(outbox: Outbox, minute: int, chance: random.Random) -> None:
    """Some new jobs."""
    trace = f"00-{chance.getrandbits(128):032x}-{chance.getrandbits(64):016x}-01"
    orders = [
        NewJob(
            path="/spookify",
            payload={"id": f"order-{minute}-{n}"},
            assigned_to=f"order:{minute}",
            traceparent=trace,
        )
        for n in range(chance.randint(1, 4))
    ]
    await outbox.run_many("api", orders)
    if minute % 2:
        await outbox.run("billing", "/charge", {"id": f"order-{minute}", "amount": minute}, max_retries=0)


async def deliver(outbox: Outbox, chance: random.Random) -> None:
    """Claim what is due, and settle it one way or another."""
    claimed = await outbox.store.claim({"api": 50, "billing": 20}, "web-1-4242")
    outcomes = []
    for job in claimed:
        outcome: Any = Delivered(code=200, result={"ok": True, "ghost": job.id[-4:]})
        if chance.random() < 0.16:
            outcome = chance.choice(FAILURES)
        outcomes.append(settlement(job, outcome, base=30.0))
    if outcomes:
        await outbox.store.settle(outcomes)


async def scripted_rates(*, since: datetime, until: datetime, step: timedelta | None = None) -> list[Any]:
    """Return what ``Outbox.rates`` does, of made-up attempts, with an outage in them."""
    step = step or until - since
    chance, count = random.Random(3), int((until - since) / step)  # noqa: S311
    loads = {"api": 60.0, "billing": 14.0}
    return [
        scripted_row(since + n * step, step, backend, load * chance.uniform(0.7, 1.2), n / count)
        for n in range(count)
        for backend, load in loads.items()
    ]


def scripted_row(at: datetime, step: timedelta, backend: str, load: float, place: float) -> Any:
    is_out = backend == "api" and 0.55 < place < 0.65
    failed, minutes = load * (0.55 if is_out else 0.01), step.total_seconds() / 60
    parts = {"success": load - failed, "retry": failed, "failed": failed / 4, "throttled": 0, "unknown": 0}
    slowness = 6 if backend == "api" else 8  # a quarter to half a second, or one to two and a half
    outcomes = {name: int(value * minutes) for name, value in parts.items()}
    return SimpleNamespace(
        at=at,
        seconds=step.total_seconds(),
        backend=backend,
        path=None,
        attempts=sum(outcomes.values()),
        outcomes=outcomes,
        codes={500: outcomes["failed"]},
        buckets=tuple(sum(outcomes.values()) * (n == slowness) for n in range(BUCKETS)),
    )
