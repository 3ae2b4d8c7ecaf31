"""The chaos monkey: breaks one thing after the other, in an order and at intervals that its seed gives."""

import asyncio
import signal
import time
from collections.abc import Collection

from chaos.faults import FAULTS, Fault, Scene

__all__ = ["Monkey"]

PAUSES = (0.3, 1.5)
"""Seconds from one fault to the next, at least and at most."""


CALM = 11.0
"""Seconds after which runners may judge each other again."""

TIMED = ("kill -9", "freeze", "failover", "partition")
"""What is timed while nothing else is broken."""

OF_THE_DATABASE = frozenset({"database restart", "disk full"})


class Monkey:
    """Breaks things in rounds, each in another order: every kind once, then all but the database's..."""

    def __init__(self, scene: Scene, kinds: Collection[str] = tuple(FAULTS)) -> None:
        self._scene = scene
        self._kinds = frozenset(kinds)
        self._under_way: set[asyncio.Task[None]] = set()
        self.left_out = _left_out(scene)

    async def run(self, seconds: float) -> None:
        """Break things for a while, each kind once at least, then mend everything."""
        until = time.monotonic() + seconds
        try:
            await self._round(self._kinds)
            while time.monotonic() < until:
                await self._alone(*(name for name in TIMED if name in self._kinds))
                await self._round(self._kinds - OF_THE_DATABASE)
                await self._round(self._kinds)
            await asyncio.gather(*self._under_way)
        finally:
            await self.mend()

    async def _alone(self, *names: str) -> None:
        """One fault after the other, while nothing else is broken and slots are full: it is timed."""
        await asyncio.gather(*self._under_way)
        for name in names:
            await asyncio.sleep(CALM)
            await FAULTS["slots full"](self._scene)
            await asyncio.sleep(PAUSES[0])
            await FAULTS[name](self._scene)

    async def _round(self, kinds: Collection[str]) -> None:
        names = [name for name in FAULTS if name in kinds and name not in self.left_out]
        self._scene.random.shuffle(names)
        for name in names:
            await self._begin(FAULTS[name])
            await asyncio.sleep(self._scene.random.uniform(*PAUSES))

    async def _begin(self, fault: Fault) -> None:
        """Those that take long go on beside what comes next, but no two of a kind."""
        task: asyncio.Task[None] = asyncio.create_task(fault(self._scene))
        self._under_way.add(task)
        done, _ = await asyncio.wait([task], timeout=PAUSES[1])
        self._under_way -= done
        for ended in done:
            ended.result()

    async def mend(self) -> None:
        """Let everything run again."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._scene.database.free()
        await self._scene.database.start()
        for member in self._scene.fleet.members:
            member.send(signal.SIGCONT)
        for proxy in self._scene.proxies():
            proxy.let_go()


def _left_out(scene: Scene) -> dict[str, str]:
    """Faults that can't be made here, and why."""
    reasons = {"database restart": scene.database.why_no_restart, "disk full": scene.database.why_not_full}
    return {name: reason for name, reason in reasons.items() if reason}
