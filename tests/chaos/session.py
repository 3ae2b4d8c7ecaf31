"""A chaos session: runners, a backend, an application, an operator, and the monkey among them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import attrs
from tests.chaos.backend import ChaoticBackend
from tests.chaos.database import Database
from tests.chaos.enqueuer import Enqueuer
from tests.chaos.faults import BEYOND_DEAD, GRACE, Scene
from tests.chaos.fleet import Fleet
from tests.chaos.history import History, write_history
from tests.chaos.monkey import Monkey
from tests.chaos.project import write_project
from tests.chaos.proxy import Proxy
from tests.chaos.redriver import Redriver

from sp00ky_core import Outbox

__all__ = ["Plan", "Ending", "run_session"]

LAST_JOBS = 120.0
"""Seconds that what is left gets to end, when everything has been mended."""


@attrs.frozen(kw_only=True)
class Plan:
    """What a session is like."""

    seed: int
    seconds: float
    runners: int = 4
    rate: float = 15.0  # calls of the enqueuer a second
    long_freeze: float = BEYOND_DEAD  # seconds of some freezes and partitions


@attrs.frozen(kw_only=True)
class Ending:
    """What a session has shown."""

    history: History
    exits: list[tuple[int, float]]  # status and seconds of each runner that was told to end
    outcries: list[str]  # lines of the runners' logs that tell of a bug
    left_out: Mapping[str, str]  # faults that can't be made here, and why
    answers: Mapping[str, int]  # what the backend did, and how often

    def complaints(self) -> list[str]:
        """What is wrong beside the histories."""
        statuses = [
            f"a runner that was told to end ended with {status}" for status, _ in self.exits if status
        ]
        return statuses + self.outcries


async def run_session(plan: Plan, database: Database, folder: Path) -> Ending:
    """Run one; the histories are in the folder afterwards."""
    backend = ChaoticBackend(plan.seed)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(backend.server)
        config = write_project(folder, backend.server.url)
        application = await _proxy(stack, database)
        outbox = await stack.enter_async_context(_migrated(config, database, database.url(application.port)))
        fleet = await stack.enter_async_context(_fleet(plan, config, database))
        transactions = database.transactions(database.url(application.port))
        enqueuer = Enqueuer(outbox, transactions, seed=plan.seed, rate=plan.rate)
        redriver = Redriver(outbox, seed=plan.seed)
        scene = Scene(
            database=database,
            fleet=fleet,
            enqueuer=enqueuer,
            application=application,
            random=Random(f"monkey {plan.seed}"),  # noqa: S311  # repeatable, and no secret
            long_freeze=plan.long_freeze,
        )
        monkey = Monkey(scene)
        async with _beside(enqueuer.run(), redriver.run()):
            await monkey.run(plan.seconds)
        await enqueuer.finish()
        backend.calm = True
        await _until_ended(database)
        exits = await asyncio.gather(*(fleet.stop(member) for member in list(fleet.members)))
        history = History(
            enqueues=enqueuer.enqueues,
            requests=backend.requests,
            reports=fleet.reports(),
            disturbances=scene.disturbances,
            redrives=redriver.redrives,
            moves=[attrs.evolve(each, runner=fleet.name_of(each.runner)) for each in await database.moves()],
            rows=await database.rows(),
        )
        write_history(history, folder)
        return Ending(
            history=history,
            exits=[*scene.exits, *exits],
            outcries=fleet.outcries(),
            left_out=monkey.left_out,
            answers=backend.did,
        )


async def _proxy(stack: AsyncExitStack, database: Database) -> Proxy:
    proxy = Proxy(database.connect)
    await proxy.open()
    stack.push_async_callback(proxy.close)
    return proxy


@asynccontextmanager
async def _migrated(config: Path, database: Database, url: str) -> AsyncIterator[Outbox]:
    async with Outbox.open(config, store=url) as outbox:
        await outbox.store.migrate()
        await database.record_moves()
        yield outbox


@asynccontextmanager
async def _fleet(plan: Plan, config: Path, database: Database) -> AsyncIterator[Fleet]:
    async with Fleet(config, database.connect, database.url, "--grace", str(GRACE)) as fleet:
        for _ in range(plan.runners):
            await fleet.start()
        for member in fleet.members:
            await fleet.ready(member)
        yield fleet


@asynccontextmanager
async def _beside(*work: object) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(each) for each in work]  # type: ignore[call-overload]  # coroutines
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_ended(database: Database) -> None:
    """Wait for the last job; what hasn't ended by then is for the checker to tell."""
    deadline = time.monotonic() + LAST_JOBS
    while time.monotonic() < deadline:
        if all(row.status in {"success", "failed"} for row in await database.rows()):
            return
        await asyncio.sleep(0.5)
