"""What is broken, one function each: it breaks something, mends it, and notes both instants."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random

import attrs

from chaos.database import Database
from chaos.enqueuer import Enqueuer
from chaos.fleet import Fleet, Member
from chaos.history import EVERYBODY, Disturbance
from chaos.project import CONCURRENCY
from chaos.proxy import Proxy

__all__ = ["Scene", "Fault", "FAULTS", "GRACE"]

GRACE = 5.0
"""Seconds that the runners' attempts get to end."""

BEYOND_DEAD = 9.0
"""Seconds after which others hold a runner for dead: 6 s without a beat, seen every 2 s, and some more."""

CLAIMED = 0.3
"""Seconds after which new jobs are claimed."""

A_LONG_ONE = 0.2
"""How likely it is that a freeze or a partition is a long one."""


@attrs.define(kw_only=True)
class Scene:
    """What there is to break."""

    database: Database
    fleet: Fleet
    enqueuer: Enqueuer
    application: Proxy  # through which the enqueuer sees the database
    random: Random
    long_freeze: float = BEYOND_DEAD  # seconds
    disturbances: list[Disturbance] = attrs.field(factory=list)
    broken: set[Member] = attrs.field(factory=set)
    exits: list[tuple[int, float]] = attrs.field(factory=list)  # status and seconds of those told to end

    def note(
        self, kind: str, runner: str = EVERYBODY, *, since: float | None = None, excuses: bool = True
    ) -> Disturbance:
        """Record what is being broken; until now, for the time being."""
        now = time.time()
        found = Disturbance(kind=kind, runner=runner, since=since or now, until=now, excuses=excuses)
        self.disturbances.append(found)
        return found

    @asynccontextmanager
    async def anyone(self) -> AsyncIterator[Member]:
        """A runner that nobody else is breaking, as soon as there is one."""
        while not (sound := [member for member in self.fleet.members if member not in self.broken]):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        member = self.random.choice(sound)
        self.broken.add(member)
        try:
            yield member
        finally:
            self.broken.discard(member)

    def silence(self) -> float:
        """Seconds for which a runner is cut off."""
        return self.long_freeze if self.random.random() < A_LONG_ONE else BEYOND_DEAD

    def proxies(self) -> list[Proxy]:
        """Everybody's."""
        return [self.application, *(member.proxy for member in self.fleet.members)]


Fault = Callable[[Scene], Coroutine[None, None, None]]


async def hold_much(scene: Scene) -> None:
    """See to it that runners are at work on jobs that take long, also when they are sent again.

    So a runner that comes back wants to write while another one is at the same job.
    """
    await scene.enqueuer.hang(CONCURRENCY * len(scene.fleet.members))
    await asyncio.sleep(CLAIMED)


async def kill(scene: Scene) -> None:
    """SIGKILL a runner; another one takes its place."""
    async with scene.anyone() as member:
        scene.note("kill -9", member.name)
        await scene.fleet.kill(member)
    await scene.fleet.start()


async def freeze(scene: Scene) -> None:
    """Stop a runner's process until others hold it for dead, and let it go on."""
    async with scene.anyone() as member:
        await hold_much(scene)
        noted = scene.note("freeze", member.name)
        member.send(signal.SIGSTOP)
        await asyncio.sleep(scene.silence())
        member.send(signal.SIGCONT)
        noted.until = time.time()


async def deploy(scene: Scene) -> None:
    """SIGTERM a runner; another one takes its place."""
    async with scene.anyone() as member:
        await scene.fleet.start()
        noted = scene.note("deploy", member.name, excuses=False)
        scene.exits.append(await scene.fleet.stop(member))
        noted.until = time.time()


async def restart(scene: Scene) -> None:
    """Crash the database, and start it again soon."""
    noted = scene.note("database restart")
    await scene.database.stop()
    await asyncio.sleep(scene.random.choice((0.0, 1.0, 3.0)))
    await scene.database.start()
    noted.until = time.time()


async def cut(scene: Scene) -> None:
    """Reset every connection to the database."""
    scene.note("connections cut", excuses=False)
    for proxy in scene.proxies():
        proxy.cut()


async def fail_over(scene: Scene) -> None:
    """Let every runner's connections fall silent, without an end; new ones work at once."""
    scene.note("failover", excuses=False)
    for member in scene.fleet.members:
        member.proxy.silence()


async def lose_replies(scene: Scene) -> None:
    """Keep the reply to everybody's next statement, and cut its connection."""
    scene.note("reply lost", excuses=False)
    for proxy in scene.proxies():
        proxy.lose_replies()


async def part(scene: Scene) -> None:
    """Hold back every byte between one runner and the database, until others hold it for dead."""
    async with scene.anyone() as member:
        await hold_much(scene)
        noted = scene.note("partition", member.name)
        member.proxy.hold()
        await asyncio.sleep(scene.silence())
        member.proxy.let_go()
        if scene.random.random() < 0.5:
            member.proxy.cut()
        noted.until = time.time()


async def fill_disk(scene: Scene) -> None:
    """Leave the database no room."""
    noted = scene.note("disk full")
    await asyncio.to_thread(scene.database.fill)
    await asyncio.sleep(scene.random.uniform(1, 3))
    scene.database.free()
    await scene.database.start()
    noted.until = time.time()


async def fill_slots(scene: Scene) -> None:
    """More jobs whose backend hangs than there are slots in the fleet."""
    noted = scene.note("slots full", excuses=False)
    await scene.enqueuer.hang(CONCURRENCY * (len(scene.fleet.members) + 1))
    noted.until = time.time()


FAULTS: dict[str, Fault] = {
    "kill -9": kill,
    "freeze": freeze,
    "deploy": deploy,
    "database restart": restart,
    "connections cut": cut,
    "failover": fail_over,
    "reply lost": lose_replies,
    "partition": part,
    "disk full": fill_disk,
    "slots full": fill_slots,
}
