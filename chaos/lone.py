"""A chaos session on an embedded database: one process, which is killed, frozen and replaced."""

import asyncio
import itertools
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from chaos.backend import TIMEOUT, ChaoticBackend
from chaos.faults import FAULTS
from chaos.fleet import SP00KY, outcries_in, reports_in
from chaos.history import Disturbance, History, Row, write_history
from chaos.journal import read_journal
from chaos.marks import NAME, REPORTS
from chaos.project import BACKENDS, ROOT, write_project
from chaos.session import Ending, Plan
from chaos.stage import LAST_JOBS
from sp00ky_core import Job, Outbox

__all__ = ["run_lone_session", "POSSIBLE"]

POSSIBLE = ("kill -9", "deploy", "freeze")
"""What can be broken beside the backend."""

STORE = "surrealkv://./sp00ky.db"
NUMBERS_EACH = 100_000
PAUSES = (1.0, 3.0)
FREEZE = 5.0
"""Seconds: longer than an attempt may take, and than a beat may be old."""


class Lone:
    """The one process, and its successors."""

    def __init__(self, config: Path, seed: int) -> None:
        self._config = config
        self._folder = config.parent
        self._seed = seed
        self._count = itertools.count(1)
        self.name = ""
        self.child: asyncio.subprocess.Process | None = None
        self.disturbances: list[Disturbance] = []
        self.exits: list[tuple[int, float]] = []

    async def start(self) -> None:
        """Start one; the one before has ended."""
        number = next(self._count)
        self.name = f"r{number}"
        journal, log = self._folder / "journal.jsonl", self._folder / f"log-{self.name}.txt"
        words = (self._config, STORE, self._seed + number, number * NUMBERS_EACH, journal)
        program = (sys.executable, "-m", "chaos.lone_program", *map(str, words))
        with log.open("wb") as file:
            self.child = await asyncio.create_subprocess_exec(*program, env=self._environment(), stderr=file)
        while b"ready" not in log.read_bytes():
            if self.child.returncode is not None:
                raise RuntimeError(log.read_text())
            await asyncio.sleep(0.02)

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": f"{self._folder}{os.pathsep}{ROOT}",
            NAME: self.name,
            REPORTS: str(self._folder / f"reports-{self.name}.jsonl"),
        }

    async def deliver_the_rest(self) -> None:
        """Run until nothing is left, and enqueue nothing."""
        self.name = f"r{next(self._count)}"
        command = (str(SP00KY), "--config", str(self._config), "--store", STORE, "run", "--until-empty")
        with (self._folder / f"log-{self.name}.txt").open("wb") as file:
            self.child = await asyncio.create_subprocess_exec(*command, env=self._environment(), stderr=file)
        async with asyncio.timeout(LAST_JOBS):
            await self.child.wait()  # 1 where a job failed

    async def shake(self, kind: str) -> None:
        """Break it in one way, and see to it that it runs again."""
        noted = Disturbance(kind=kind, runner=self.name, since=time.time(), until=time.time())
        noted.excuses = kind != "deploy"
        self.disturbances.append(noted)
        if kind == "freeze":
            self.send(signal.SIGSTOP)
            await asyncio.sleep(FREEZE)
            noted.until = time.time()
            self.send(signal.SIGCONT)
        else:
            await self.end(signal.SIGKILL if kind == "kill -9" else signal.SIGTERM)
            noted.until = time.time()
            await self.start()

    async def end(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        if self.child is None:
            return
        since = time.monotonic()
        self.send(number)
        status = await self.child.wait()
        if number == signal.SIGTERM:
            self.exits.append((status, time.monotonic() - since))
        self.child = None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.child is not None and self.child.returncode is None:
            self.child.send_signal(number)


async def run_lone_session(plan: Plan, folder: Path) -> Ending:
    """Run one; the histories are in the folder afterwards."""
    backend = ChaoticBackend(plan.seed)
    async with backend.server:
        config = write_project(folder, backend.server.url)
        async with _running(Lone(config, plan.seed)) as lone:
            await _shake_all(lone, plan)
            await lone.end(signal.SIGTERM)
            backend.calm = True
            await lone.deliver_the_rest()
        rows = await _rows(config)
    history = History(
        enqueues=read_journal(folder / "journal.jsonl"),
        requests=backend.requests,
        reports=reports_in(folder),
        disturbances=lone.disturbances,
        rows=rows,
        timeout=TIMEOUT,
    )
    write_history(history, folder)
    left_out = {name: "one process owns an embedded database" for name in FAULTS if name not in POSSIBLE}
    return Ending(history=history, exits=lone.exits, outcries=outcries_in(folder), left_out=left_out)


@asynccontextmanager
async def _running(lone: Lone) -> AsyncIterator[Lone]:
    try:
        await lone.start()
        yield lone
    finally:
        await lone.end(signal.SIGKILL)


async def _shake_all(lone: Lone, plan: Plan) -> None:
    random = Random(f"lone {plan.seed}")  # noqa: S311  # repeatable, and no secret
    until = time.monotonic() + plan.seconds
    while True:
        for kind in random.sample(POSSIBLE, len(POSSIBLE)):
            await asyncio.sleep(random.uniform(*PAUSES))
            await lone.shake(kind)
        if time.monotonic() >= until:
            return


async def _rows(config: Path) -> list[Row]:
    async with Outbox.open(config, store=STORE) as outbox:
        return [_row(job) for backend in BACKENDS for job in await _every(outbox, backend)]


async def _every(outbox: Outbox, backend: str) -> list[Job]:
    jobs: list[Job] = []
    while page := await outbox.find(backend=backend, limit=500, after=jobs[-1].id if jobs else None):
        jobs += page
    return jobs


def _row(job: Job) -> Row:
    return Row(
        n=job.payload["n"],
        job_id=job.id,
        status=job.status.value,
        retries=job.retries,
        max_retries=job.max_retries,
        epoch=job.lease_epoch,
        attempts=tuple(error.attempt for error in job.errors),
        names=tuple(error.name for error in job.errors),
        codes=tuple(error.code for error in job.errors),
        result=job.result,
        key=job.ordering_key or "",
        place=job.ordering_at.timestamp() if job.ordering_at else 0.0,
    )
