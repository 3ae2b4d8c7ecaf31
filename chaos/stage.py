"""What every session and test here stands on: a backend, a project, an application, an operator, a fleet."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import attrs

from chaos.backend import TIMEOUT
from chaos.database import Database
from chaos.enqueuer import Enqueuer
from chaos.fleet import Fleet
from chaos.history import Disturbance, History, Limit, Request, write_history
from chaos.operators import Operator
from chaos.project import write_project
from chaos.proxy import Proxy
from chaos.retrier import Retrier
from sp00ky_core import Outbox

__all__ = ["Stage", "staged", "beside", "until_ended"]

LAST_JOBS = 120.0
"""Seconds without the end of any job, when everything has been mended, after which what is left is lost."""


class Backend(Protocol):
    """What jobs are sent to."""

    requests: list[Request]
    """Those that it has recorded."""

    @property
    def server(self) -> Any:
        """An asynchronous context manager with the ``url``."""


@attrs.frozen(kw_only=True)
class Stage:
    """Everything that runs."""

    database: Database
    backend: Backend
    outbox: Outbox
    fleet: Fleet
    enqueuer: Enqueuer
    retrier: Retrier
    operator: Operator
    application: Proxy  # through which the outbox sees the database
    folder: Path
    timeout: float  # seconds that an attempt may take
    limits: list[Limit]

    async def history(self, disturbances: list[Disturbance]) -> History:
        """What was seen; also written into the folder."""
        moves = await self.database.moves()
        history = History(
            enqueues=self.enqueuer.enqueues,
            requests=self.backend.requests,
            reports=self.fleet.reports(),
            disturbances=disturbances,
            retries=self.retrier.retries,
            pauses=self.operator.pauses,
            reschedules=self.operator.reschedules,
            moves=[attrs.evolve(move, runner=self.fleet.name_of(move.runner)) for move in moves],
            rows=await self.database.rows(),
            limits=self.limits,
            timeout=self.timeout,
        )
        write_history(history, self.folder)
        return history


@asynccontextmanager
async def staged(
    database: Database,
    folder: Path,
    backend: Backend,
    *,
    runners: int,
    grace: float,
    seed: int = 0,
    rate: float = 15.0,
    keys: int = 0,
    **settings: Any,
) -> AsyncIterator[Stage]:
    """Set everything up; ``settings`` are the project's. Nothing is left at the end."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(backend.server)
        config = write_project(folder, backend.server.url, **settings)
        application = Proxy(database.connect)
        await application.open()
        stack.push_async_callback(application.close)
        url = database.url(application.port)
        outbox = await stack.enter_async_context(Outbox.open(config, store=url))
        await outbox.store.migrate()
        await database.record_moves()
        fleet = Fleet(config, database.connect, database.url, "--grace", str(grace))
        await stack.enter_async_context(fleet)
        members = [await fleet.start() for _ in range(runners)]
        await asyncio.gather(*map(fleet.ready, members))
        yield Stage(
            database=database,
            backend=backend,
            outbox=outbox,
            fleet=fleet,
            enqueuer=Enqueuer(outbox, database.transactions(url), seed=seed, rate=rate, keys=keys),
            retrier=Retrier(outbox, seed=seed),
            operator=Operator(outbox, seed=seed),
            application=application,
            folder=folder,
            timeout=settings.get("timeout", TIMEOUT),
            limits=list(settings.get("limits", ())),
        )


@asynccontextmanager
async def beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run something until the block ends."""
    tasks = [asyncio.create_task(coroutine) for coroutine in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_ended(database: Database) -> None:
    """Wait for the last job; what hasn't ended by then is for the checker to tell."""
    left, deadline = -1, time.monotonic() + LAST_JOBS
    while left and time.monotonic() < deadline:
        before, left = left, sum(row.status not in {"success", "failed"} for row in await database.rows())
        if left != before:
            deadline = time.monotonic() + LAST_JOBS
        await asyncio.sleep(0.5)
