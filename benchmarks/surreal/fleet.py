"""Several runners, processes of their own, on one server: nothing twice, few collisions, higher rates."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import attrs

from benchmarks.programs import sp00ky_run, started
from benchmarks.project import fill, opened, project
from benchmarks.report import Bound, Section
from benchmarks.server import Answering
from benchmarks.setting import Setting
from benchmarks.surreal.database import Surreal, surreal

__all__ = ["run"]

RUNNERS = 4
KEY = re.compile(rb"idempotency-key: *(\S+)", re.IGNORECASE)
COLLIDED = re.compile(r"(\d+) of (\d+) claims collided")


@attrs.frozen(kw_only=True)
class Drain:
    """What a fleet did with a queue."""

    runners: int
    jobs: int
    rate: float  # from the first tenth of the requests to the last
    requests: int
    success: int
    collided: int
    claims: int  # of runners that collided


async def run(setting: Setting) -> Section:
    jobs, fewer = setting.count(20_000, 400), setting.count(5_000, 200)
    with surreal() as server:
        fast = await _drain(server, jobs, RUNNERS, slots=50, delay=0.0)
        slow = [
            await _drain(server, count, runners, slots=20, delay=0.02)
            for runners, count in ((1, fewer), (RUNNERS, jobs))
        ]
    one, four = slow
    return Section(
        title="SurrealDB: several runners on one server",
        rows=[
            _row("at once, concurrency 50", fast),
            _row("20 ms, concurrency 20", one),
            _row("20 ms, concurrency 20", four),
        ],
        bounds=[
            Bound(
                what="SurrealDB: 4 runners: share of jobs delivered", measured=fast.success / jobs, at_least=1
            ),
            Bound(
                what="SurrealDB: 4 runners: requests to jobs",
                measured=fast.requests / jobs,
                at_least=1,
                at_most=1,
            ),
            Bound(
                what="SurrealDB: 4 runners: share of claims that collided",
                measured=max(drain.collided / max(drain.claims, 1) for drain in (fast, four)),
                at_most=0.1,
            ),
            Bound(what="SurrealDB: 4 runners to 1, 20 ms", measured=four.rate / one.rate, at_least=2),
        ],
        note=f"`sp00ky run`, {RUNNERS} processes; {server.kind} engine. The rate is that of the last "
        "nine tenths of the requests. The backend is this process.",
        rounds=[fast, *slow],
    )


def _row(backend: str, drain: Drain) -> dict[str, str | float]:
    return {
        "": f"{drain.runners} runners, backend answers {backend}",
        "jobs": float(drain.jobs),
        "jobs/s": drain.rate,
        "requests repeated": float(drain.requests - drain.jobs),
        "claims that collided": f"{drain.collided} of {drain.claims}",
    }


async def _drain(server: Surreal, jobs: int, runners: int, *, slots: int, delay: float) -> Drain:
    requests: Counter[bytes] = Counter()
    at: list[float] = []

    def seen(request: bytes) -> None:
        found = KEY.search(request)
        requests[found[1] if found else b"none"] += 1
        at.append(time.monotonic())

    loop = asyncio.get_running_loop()
    backend = await loop.create_server(lambda: Answering(seen, delay), "127.0.0.1", 0)
    target = f"http://127.0.0.1:{backend.sockets[0].getsockname()[1]}"
    with tempfile.TemporaryDirectory(prefix="sp00ky-fleet") as folder:
        logs = [Path(folder) / f"{number}.log" for number in range(runners)]
        async with backend, server.database() as url, opened(store=url, base_url=target) as outbox:
            await fill(outbox, jobs)
            with project(store=url, base_url=target, slots=slots) as config:
                async with AsyncExitStack() as fleet:
                    for log in logs:
                        command = sp00ky_run(config, log_level="info")
                        await fleet.enter_async_context(started(command, errors=log))
                    while (stats := (await outbox.stats())["api"]).success < jobs:
                        if stats.failed:
                            raise RuntimeError("a job failed: this measures nothing")
                        await asyncio.sleep(0.2)
        collided = [COLLIDED.findall(log.read_text()) for log in logs]
    counts = [tuple(map(int, lines[-1])) for lines in collided if lines]
    start = jobs // 10
    return Drain(
        runners=runners,
        jobs=jobs,
        rate=(len(at) - start) / (at[-1] - at[start]),
        requests=sum(requests.values()),
        success=stats.success,
        collided=sum(count for count, _ in counts),
        claims=sum(sent for _, sent in counts),
    )
