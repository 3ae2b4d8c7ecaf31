"""Upgrade a database while runners and clients of two releases work on it, and go back."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import attrs
from chaos.backend import TIMEOUT, ChaoticBackend
from chaos.database import Database
from chaos.fleet import Fleet
from chaos.history import History, write_history
from chaos.project import write_project
from chaos.proxy import Proxy
from chaos.session import Ending
from chaos.stage import until_ended
from tests.upgrade.clients import NUMBERS_EACH, Application, PlainClient
from tests.upgrade.releases import Release

__all__ = ["Upgrade", "upgrading"]

RUNNERS = 2
GRACE = 5.0
"""Seconds: longer than any attempt, so that a runner that is replaced costs nothing."""

WEIGHTS = {"ok": 12, "slow": 4, "500": 2, "reset": 1}
ENOUGH = 5
"""Jobs of each client that are delivered before the next step."""

STUCK = 120.0
"""Seconds in which that many are delivered, or nothing is any more."""


@attrs.define(kw_only=True)
class Upgrade:
    """A database, and who works on it."""

    database: Database
    config: Path
    backend: ChaoticBackend
    fleet: Fleet
    plain: PlainClient
    environment: Mapping[str, str]
    applications: list[Application] = attrs.field(factory=list)
    exits: list[tuple[int, float]] = attrs.field(factory=list)

    @property
    def clients(self) -> list[PlainClient | Application]:
        """Everybody who enqueues."""
        return [self.plain, *self.applications]

    async def command(self, release: Release, *words: str) -> str:
        """Run a command, which must go well; what it prints."""
        child = await asyncio.create_subprocess_exec(
            *(str(release.sp00ky), "--config", str(self.config), *words),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await child.communicate()
        assert child.returncode == 0, f"{release.sp00ky} {words}: {printed.decode()}"
        return printed.decode()

    async def begin(self, release: Release, *, waiting: int = 0) -> None:
        """Make the tables, enqueue jobs that wait, and start runners and the plain client."""
        await self.command(release, "migrate")
        await self.database.record_moves()
        await self.plain.fill(waiting)
        await self.start_runners(release)
        await self.plain.start(self.environment)

    async def enqueue(self, release: Release) -> None:
        """Let one more application enqueue from now on."""
        client = Application(self.config, release, len(self.clients))
        self.applications.append(client)
        await client.start(self.environment)

    async def replace(self, release: Release) -> None:
        """Replace the runners one by one: the next one delivers before one of the others is told to end."""
        for former in list(self.fleet.members):
            await self.fleet.ready(await self.fleet.start(release.sp00ky))
            self.exits.append(await self.fleet.stop(former))

    async def stop_runners(self) -> None:
        """Tell all of them to end."""
        self.exits += await self.fleet.stop_all()

    async def start_runners(self, release: Release) -> None:
        """Start as many as there were."""
        members = [await self.fleet.start(release.sp00ky) for _ in range(RUNNERS)]
        await asyncio.gather(*map(self.fleet.ready, members))

    async def flows(self) -> None:
        """Return when each runner has delivered since now, and jobs of each client have been delivered."""
        since, runners = len(self.backend.requests), {member.name for member in self.fleet.members}
        deadline = time.monotonic() + STUCK
        while missing := list(self._missing(since, runners)):
            assert time.monotonic() < deadline, f"in {STUCK:.0f} s there is no {', '.join(missing)}"
            await asyncio.sleep(0.05)

    def _missing(self, since: int, runners: set[str]) -> Iterator[str]:
        delivered = [request for request in self.backend.requests[since:] if request.is_delivered]
        for name in sorted(runners - {delivery.runner for delivery in delivered}):
            yield f"delivery by {name}"
        counts = Counter(delivery.n // NUMBERS_EACH for delivery in delivered)
        for number, client in enumerate(self.clients):
            if counts[number] < ENOUGH:
                yield f"delivery for {client}"

    async def finish(self) -> Ending:
        """Deliver the rest, end everything, and look at what was seen."""
        for client in self.clients:
            await client.stop()
        self.backend.calm = True
        await until_ended(self.database)
        self.exits += await self.fleet.stop_all()
        moves = await self.database.moves()
        history = History(
            enqueues=[record for client in self.clients for record in client.enqueues()],
            requests=self.backend.requests,
            reports=self.fleet.reports(),
            moves=[attrs.evolve(move, runner=self.fleet.name_of(move.runner)) for move in moves],
            rows=await self.database.rows(),
            timeout=TIMEOUT,
        )
        write_history(history, self.config.parent)
        return Ending(history=history, exits=self.exits, outcries=self.fleet.outcries())

    def kill(self) -> None:
        """Leave no client behind."""
        for client in self.clients:
            client.kill()


@asynccontextmanager
async def upgrading(database: Database, folder: Path, insert: str, extra: str = "") -> AsyncIterator[Upgrade]:
    """Set everything up but the tables and the runners; ``insert`` is the plain client's statement.

    ``extra`` are lines at the end of the configuration.
    """
    backend = ChaoticBackend(0, weights=WEIGHTS)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(backend.server)
        config = write_project(folder, backend.server.url, extra=extra)
        proxy = Proxy(database.connect)
        await proxy.open()
        stack.push_async_callback(proxy.close)
        fleet = Fleet(config, database.connect, database.url, "--grace", str(GRACE))
        await stack.enter_async_context(fleet)
        upgrade = Upgrade(
            database=database,
            config=config,
            backend=backend,
            fleet=fleet,
            plain=PlainClient(database, insert),
            environment={**os.environ, "SP00KY_STORE": database.url(proxy.port)},
        )
        stack.callback(upgrade.kill)
        yield upgrade
