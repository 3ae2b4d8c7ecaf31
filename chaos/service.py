"""The backend of a session with the receiver: service processes that are killed, behind proxies that cut."""

import asyncio
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Self

from chaos import service_program
from chaos.history import Request
from chaos.postgres import Postgres
from chaos.proxy import Proxy
from sp00ky_receiver import table_statements

__all__ = ["PROCESSES", "SECRET", "Service"]

SECRET = "whsec_" + "Y2hhb3M" * 8  # of this test's own

PROCESSES = 3
PAUSES = (0.2, 1.0)
"""Seconds from one fault to the next, at least and at most."""

TABLES = (
    *table_statements("postgresql"),
    "CREATE TABLE effect (id bigint GENERATED ALWAYS AS IDENTITY, n bigint NOT NULL)",
)


class Service:
    """Processes that share a listening socket; an asynchronous context manager that leaves none behind."""

    def __init__(self, database: Postgres, folder: Path, *, seed: int, receives: bool = True) -> None:
        self._database = database
        self._folder = folder
        self._random = Random(f"service {seed}")  # noqa: S311  # repeatable, and no secret
        self._receives = receives
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._processes: list[asyncio.subprocess.Process] = []
        self._front = Proxy(self._connect)  # between the runners and the service
        self._back = Proxy(database.connect)  # between the service and its database
        self.requests: list[Request] = []  # none are recorded here
        self.faults: Counter[str] = Counter()

    @property
    def server(self) -> Self:
        """Itself, as a stage wants it."""
        return self

    @property
    def url(self) -> str:
        """Its origin, as runners see it."""
        return f"http://127.0.0.1:{self._front.port}"

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self._listening.getsockname())

    async def __aenter__(self) -> Self:
        await self._database.execute(";".join(TABLES))
        await self._front.open()
        await self._back.open()
        for _ in range(PROCESSES):
            await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        await asyncio.gather(*(process.wait() for process in self._processes))
        await self._front.close()
        await self._back.close()
        self._listening.close()

    async def _start(self) -> None:
        descriptor = self._listening.fileno()
        own = {
            service_program.DSN: self._database.url(self._back.port),
            service_program.SECRET: SECRET,
            service_program.LOG: str(self._folder / "answers.txt"),
            **({} if self._receives else {service_program.OFF: "1"}),
        }
        with (self._folder / "log-service.txt").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, service_program.__file__, str(descriptor)),
                env={**os.environ, **own},
                pass_fds=[descriptor],
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self._processes.append(process)

    async def torment(self) -> None:
        """Break it until cancelled."""
        faults = {
            "service killed": self._kill,
            "replies cut": self._front.lose_replies,
            "requests cut": self._front.cut,
            "replies of its database lost": self._back.lose_replies,
            "its database cut off": self._back.cut,
        }
        while True:
            await asyncio.sleep(self._random.uniform(*PAUSES))
            name = self._random.choice(list(faults))
            self.faults[name] += 1
            broken: Any = faults[name]()
            if asyncio.iscoroutine(broken):
                await broken

    async def _kill(self) -> None:
        process = self._processes.pop(0)
        process.kill()
        await process.wait()
        await self._start()

    def answers(self) -> Counter[str]:
        """How many answers said that it was done, that it had been done before, and that it failed."""
        file = self._folder / "answers.txt"
        return Counter(file.read_text() if file.exists() else "")
