"""A real runner, a backend that gives its token away, a client's rows; and what must hold of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import attrs
from hypothesis import strategies as st
from tests.hostile.backend import document, echoing, leaked, strays
from tests.hostile.listening import Log, Process, connecting, logged, running

from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_core import Job, JobStatus, Outbox, RunnerOptions

__all__ = ["Arena", "Victim", "arena"]

CONFIG = """\
backends:
  api:
    spec: ./openapi.json
    baseUrl: {origin}
    auth: {{type: token, token: "${{API_TOKEN}}"}}
    method: {{type: outbox, table: job}}
    timeout: 5
    timeoutOverridable: true
    concurrency: 8
    giveUpOn: [403]
    retry: {{base: 600, cap: 900}}
    breaker: false
  calm:
    spec: ./openapi.json
    baseUrl: {origin}
    auth: {{type: token, token: "${{API_TOKEN}}"}}
    method: {{type: outbox, table: calm_job}}
    breaker: false
"""
"""A failed attempt is followed by ten minutes of peace: nothing is tried for ever within a test."""

QUICK = RunnerOptions(
    grace=5, poll=0.2, beat_interval=0.1, reclaim_after=0.2, dead_after=5, prune_interval=0.2
)

STALLED = 120.0
"""Seconds after which what is owed has been forgotten.

A row that says that a living runner has it is left alone for the timeout and 30 s.
"""


class Victim(Protocol):
    """A database that a client writes to."""

    url: str

    async def open(self, store: Any) -> None:
        """Set up the tables, by way of a store that is open, and whoever writes."""

    async def close(self) -> None:
        """Let go."""

    @staticmethod
    def statements(away: str) -> st.SearchStrategy[str]:
        """What a client could send; ``away``: a host and port that must never be reached."""

    async def write(self, statement: str) -> None:
        """Send it as the client does; a refusal is the client's own affair."""

    async def owed(self) -> list[str]:
        """What runners still have to do: due, or processing under a lease that is over or their own.

        What claims for itself a longer timeout than usual may take as long as that.
        """

    async def wipe(self) -> None:
        """Delete every job."""


@attrs.define(kw_only=True)
class Arena:
    """Where a client's rows meet a runner."""

    victim: Victim
    outbox: Outbox
    backend: MisbehavingBackend
    away: MisbehavingBackend
    log: Log
    process: Process | None  # the runner, where it is one of its own
    connected: set[str]  # where this process has tried to connect to, beside the backend

    async def attack(self, statements: Sequence[str]) -> None:
        """Write as a client, and see that all is as it should be, whatever it was."""
        await self._enqueue("api")  # which the client may alter
        for statement in statements:
            await self.victim.write(statement)
        sentinels = [await self._enqueue("api"), await self._enqueue("calm")]
        try:
            await self._until_settled(sentinels)
            await self._check()
        finally:  # else what is found first would be found in every example that follows
            await self.victim.wipe()
            self.backend.requests.clear()
            self.log.clear()

    async def _enqueue(self, backend: str) -> Job:
        """A job as it should be, among the others."""
        return await self.outbox.run(backend, "/ok", {"sentinel": True}, assigned_to="thread:ann")

    async def _until_settled(self, sentinels: Sequence[Job]) -> None:
        deadline = time.monotonic() + STALLED
        while owed := await self.victim.owed() or await self._undelivered(sentinels):
            assert time.monotonic() < deadline, f"stalled: {owed}; {self.log.text()[-5_000:]}"
            await asyncio.sleep(0.02)

    async def _undelivered(self, sentinels: Sequence[Job]) -> list[str]:
        jobs = [await self.outbox.get(sentinel.id) for sentinel in sentinels]
        return [f"{job.id} {job.status}" for job in jobs if job.status is not JobStatus.SUCCESS]

    async def _check(self) -> None:
        wrong = [*strays(self.backend), *self.log.outcries()]
        if self.away.accepted:
            wrong.append(f"{self.away.accepted} connections came where none should: {self.away.requests}")
        wrong += [f"connected to {host}" for host in self.connected]
        said = self.log.text()
        if self.process is not None:
            wrong += self.process.outcries()
            said += self.process.text() + await self.process.commands()
        for job in await self._jobs():
            stored = f"{job.errors} {job.result_json!r}"
            wrong += [f"{job.id} holds the token, {how}: {stored[:2_000]}" for how in leaked(stored)]
        wrong += [f"the log holds the token, {how}" for how in leaked(said)]
        assert not wrong, "\n".join([*wrong, said[-3_000:]])

    async def _jobs(self) -> list[Job]:
        return [
            job for name in self.outbox.backends for job in await self.outbox.find(backend=name, limit=1_000)
        ]


@asynccontextmanager
async def arena(
    victim: Victim, folder: Path, away: MisbehavingBackend, *, apart: bool
) -> AsyncIterator[Arena]:
    """Everything that is needed, with a runner at work: in this process, or ``apart``."""
    (folder / "openapi.json").write_text(document())
    async with echoing(away.url) as backend, logged() as log:
        config = folder / "sp00ky.yml"
        config.write_text(CONFIG.format(origin=backend.url))
        async with Outbox.open(config, store=victim.url) as outbox:
            await victim.open(outbox.store)
            try:
                with connecting({backend.url, victim.url}) as connected:
                    async with _runner(outbox, config, victim.url, apart=apart) as runner:
                        yield Arena(
                            victim=victim,
                            outbox=outbox,
                            backend=backend,
                            away=away,
                            log=log,
                            process=runner if isinstance(runner, Process) else None,
                            connected=connected,
                        )
            finally:
                await victim.close()


def _runner(outbox: Outbox, config: Path, url: str, *, apart: bool) -> AbstractAsyncContextManager[object]:
    return running(config, url) if apart else outbox.runner(QUICK)
