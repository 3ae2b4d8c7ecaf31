"""Jobs of a small shop, some hours of them: what the dashboard's tests and its pictures show."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from sp00ky_conformance.store.harness import settlement
from sp00ky_core import AuditEntry, JobStatus, NewJob, Outbox
from sp00ky_core.job.outcome import Delivered, Undelivered
from sp00ky_core.ports import BUCKET_BOUNDS, BUCKETS, Rollup, RunnerInfo
from sp00ky_core.ports.statistics import step_of
from sp00ky_schedules import Schedules

SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}, "amount": {"type": "integer"}}}
POST = {"post": {"requestBody": {"content": {"application/json": {"schema": SCHEMA}}}}}

CONFIG = """\
store: {store}
backends:
  api:
    spec: openapi.json
    baseUrl: http://127.0.0.1:1
    baseUrls: [http://127.0.0.1:2]
    method: {{table: job}}
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
    document = {"openapi": "3.1.0", "paths": dict.fromkeys(("/spookify", "/charge", "/report"), POST)}
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
async def opened(folder: Path, store: str = "memory://", **options: Any) -> AsyncIterator[Outbox]:
    """An outbox of the shop, migrated."""
    async with Outbox.open(write_files(folder, store), **options) as outbox:
        await outbox.migrate()
        yield outbox


async def acts(outbox: Outbox) -> list[AuditEntry]:
    """What operators have done since it was migrated, which defines its schedules."""
    return [entry for entry in await outbox.audit() if entry.action != "schedules sync"]


@asynccontextmanager
async def opened_shop(folder: Path) -> AsyncIterator[Outbox]:
    """The shop in memory, after some busy hours: for pictures."""
    clock = Clock(datetime.now(UTC) - timedelta(hours=3))
    async with opened(folder) as outbox:
        store: Any = outbox.store
        store.now = clock  # hours pass at once
        await play(outbox, clock)
        store.now = lambda: datetime.now(UTC)
        await store.write_rollups(rollups(datetime.now(UTC), 25 * 60))
        claimed = await store.claim({"api": 9}, "web-2-4711")
        beating = asyncio.create_task(keep_beating(outbox, len(claimed)))
        yield outbox
        beating.cancel()


async def keep_beating(outbox: Outbox, count: int) -> None:
    """Be two runners, of which one is at work."""
    held = {"web-1-4242": {"api": 0, "billing": 0}, "web-2-4711": {"api": count, "billing": 0}}
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
    await outbox.extension(Schedules).trigger("heartbeat", actor="ada")
    await outbox.extension(Schedules).pause("nightly-report", actor="grace", reason="the books are closed")
    failed = await outbox.find(status=JobStatus.FAILED, limit=3)
    await outbox.retry(*(job.id for job in failed), actor="ada", reason="the backend is back")
    await outbox.pause(
        "billing", actor="grace", reason="the bank is down until noon", duration=timedelta(hours=1)
    )
    await outbox.run("api", "/spookify", {"id": "order-7001"}, ordering_key="order-7001")
    for n in range(4):
        await outbox.run("api", "/spookify", {"id": f"order-7001-{n}"}, ordering_key="order-7001")
    clock.go(50)


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


def rollups(until: datetime, minutes: int) -> list[Rollup]:
    """Attempts of the minutes before then, as runners write them; with an outage of ``api`` in each hour."""
    chance, start = random.Random(3), step_of(until, 60) - timedelta(minutes=minutes)  # noqa: S311
    return [
        rollup
        for n in range(minutes)
        for backend, path, load, bucket in (("api", "/spookify", 60, 17), ("billing", "/charge", 14, 30))
        for rollup in rollups_of(
            start + n * timedelta(minutes=1),
            (backend, path),
            round(load * chance.uniform(0.7, 1.2)),
            bucket,
            is_out=backend == "api" and 30 < (start.minute + n) % 60 < 38,
        )
    ]


def rollups_of(
    at: datetime, route: tuple[str, str], load: int, bucket: int, *, is_out: bool
) -> Iterator[Rollup]:
    """Attempts of one minute on one route."""
    failed = load * 2 // 3 if is_out else load // 40
    for outcome, code, count in (
        ("success", 200, load - failed),
        ("retry", 503, failed),
        ("failed", 422, failed // 4),
    ):
        buckets = [0] * BUCKETS
        buckets[bucket], buckets[bucket + 1] = count - count // 10, count // 10
        if count:
            yield Rollup(
                minute=at,
                runner_id="web-1-4242",
                backend=route[0],
                path=route[1],
                outcome=outcome,
                code=code,
                count=count,
                seconds_sum=count * BUCKET_BOUNDS[bucket],
                buckets=tuple(buckets),
            )
