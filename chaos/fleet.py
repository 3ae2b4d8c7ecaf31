"""Runner processes: started, killed, frozen and replaced."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from chaos.history import Report
from chaos.marks import NAME, REPORTS
from chaos.proxy import Connect, Proxy

__all__ = ["Fleet", "Member", "outcries_in", "reports_in"]

START_AGAIN = 0.3
"""Seconds until a runner that ended by itself is started again."""

DELIVERS = b" delivers for "
"""In the log of a runner that has started."""

SP00KY = Path(sys.executable).with_name("sp00ky")


@attrs.define(eq=False)
class Member:
    """One runner process, and the proxy through which it sees the database."""

    name: str
    child: asyncio.subprocess.Process
    proxy: Proxy
    started_at: float
    program: Path

    @property
    def lives(self) -> bool:
        """Whether it hasn't ended."""
        return self.child.returncode is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.lives:
            self.child.send_signal(number)


def reports_in(folder: Path) -> list[Report]:
    """What runners have reported."""
    files = sorted(folder.glob("reports-*.jsonl"))
    return [Report(**json.loads(line)) for file in files for line in file.read_bytes().splitlines()]


def outcries_in(folder: Path) -> list[str]:
    """Lines of runners' logs that tell of a bug."""
    return [
        f"{log.stem}: {line}"
        for log in sorted(folder.glob("log-r*.txt"))
        for line in log.read_text(errors="replace").splitlines()
        if "Traceback" in line or "is started again" in line
    ]


class Fleet:
    """Runners of one project. An asynchronous context manager that leaves no process behind."""

    def __init__(self, config: Path, connect: Connect, url: Callable[[int], str], *options: str) -> None:
        self._config = config
        self._connect = connect
        self._url = url
        self._options = options
        self._folder = config.parent
        self.members: list[Member] = []  # those that should run
        self._all: list[Member] = []
        self._watches: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Fleet:
        return self

    async def __aexit__(self, *_: object) -> None:
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        for member in self._all:
            member.send(signal.SIGKILL)  # also ends one that is stopped
        await asyncio.gather(*(member.child.wait() for member in self._all))
        await asyncio.gather(*(member.proxy.close() for member in self._all))

    async def start(self, program: Path = SP00KY) -> Member:
        """One more runner, which has been started but may not be ready yet; of a release's ``sp00ky``."""
        name = f"r{len(self._all) + 1}"
        proxy = Proxy(self._connect)
        await proxy.open()
        with self.log(name).open("wb") as log:
            child = await asyncio.create_subprocess_exec(
                *(str(program), "--config", str(self._config), "run", *self._options),
                env=self._environment(name, proxy),
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        member = Member(name, child, proxy, time.time(), program)
        self.members.append(member)
        self._all.append(member)
        self._watches.append(asyncio.create_task(self._replace(member)))
        return member

    async def _replace(self, member: Member) -> None:
        """What a supervisor does with one that ends by itself: where the database is away, none can start."""
        await member.child.wait()
        if member in self.members:
            self.members.remove(member)
            await asyncio.sleep(START_AGAIN)
            await self.start(member.program)

    def _environment(self, name: str, proxy: Proxy) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(self._folder),
            "SP00KY_STORE": self._url(proxy.port),
            NAME: name,
            REPORTS: str(self._folder / f"reports-{name}.jsonl"),
        }

    def log(self, name: str) -> Path:
        """What a runner has said."""
        return self._folder / f"log-{name}.txt"

    async def ready(self, member: Member) -> None:
        """Return when a runner delivers."""
        while DELIVERS not in self.log(member.name).read_bytes():
            if not member.lives:
                raise RuntimeError(f"{member.name} has ended: {self.log(member.name).read_text()[-2000:]}")
            await asyncio.sleep(0.02)

    async def kill(self, member: Member) -> None:
        """SIGKILL; it isn't replaced."""
        self.members.remove(member)
        member.send(signal.SIGKILL)
        await member.child.wait()

    async def stop(self, member: Member) -> tuple[int, float]:
        """SIGTERM; its exit status, and how many seconds it took."""
        self.members.remove(member)
        since = time.monotonic()
        member.send(signal.SIGTERM)
        status = await member.child.wait()
        if status == -signal.SIGTERM and DELIVERS not in self.log(member.name).read_bytes():
            status = 0  # Python itself was still starting: it had nothing to give back
        return status, time.monotonic() - since

    async def stop_all(self) -> list[tuple[int, float]]:
        """SIGTERM all that run; their exit statuses and seconds."""
        return list(await asyncio.gather(*(self.stop(member) for member in list(self.members))))

    def name_of(self, runner_id: str | None) -> str | None:
        """The name of the process that has put this id into rows; an id is host, process and chance."""
        if runner_id is None:
            return None
        names = {str(member.child.pid): member.name for member in self._all}
        return names.get(runner_id.rsplit("-", 2)[-2])

    def reports(self) -> list[Report]:
        """What all of them have reported."""
        return reports_in(self._folder)

    def outcries(self) -> list[str]:
        """Lines of their logs that tell of a bug."""
        return outcries_in(self._folder)
