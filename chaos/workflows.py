"""A session of workflows: diamonds with a fan-out, while everything breaks and operators retry."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import attrs

from chaos.backend import ChaoticBackend
from chaos.database import Database
from chaos.faults import GRACE, Scene
from chaos.history import COMMITTED, UNKNOWN, Request, Row, write_records
from chaos.monkey import Monkey
from chaos.stage import LAST_JOBS, beside, staged
from sp00ky_core import JobStatus, Outbox, Sp00kyError
from sp00ky_workflows import WorkflowRecord, Workflows

__all__ = ["Created", "Worked", "run_workflows"]

EVERY = 0.4
"""Seconds from one workflow to the next."""

KINDS = (
    *("kill -9", "freeze", "deploy", "database restart", "connections cut", "failover", "reply lost"),
    "partition",
)

NEEDS: Mapping[str, Sequence[str]] = {"a": (), "b": "a", "c": "a", "d": "bce"}
"""What each step waits for; ``e`` is done for two items beside."""

STEPS = ("a", "b", "c", "e[0]", "e[1]", "d")
"""Those that have jobs. The number in their payload is negative: no job of the application has it."""


@attrs.define(kw_only=True)
class Created:
    """A workflow that the application has created, or may have.

    Attributes:
        number: Its number.
        id: Its id.
        fate: What the application was told.
    """

    number: int
    id: str
    fate: str = UNKNOWN


@attrs.frozen(kw_only=True)
class Worked:
    """What a session has shown.

    Attributes:
        created: By the application.
        found: Those that are there in the end, by id.
        rows: Of all steps' jobs.
        requests: That arrived at the backend.
        outcries: Lines of the runners' logs that tell of a bug.
    """

    created: Sequence[Created]
    found: Mapping[str, WorkflowRecord]
    rows: Sequence[Row]
    requests: Sequence[Request]
    outcries: Sequence[str] = ()

    def complaints(self) -> list[str]:
        """What should not have happened."""
        return [*self._forgotten(), *self._not_once(), *self._too_early(), *self.outcries]

    def figures(self) -> str:
        """Numbers, in one line."""
        retried = sum(request.status == 400 for request in self.requests if request.n < 0)
        revised = sum(found.revision > 1 for found in self.found.values())
        steps = sum(len(found.steps) for found in self.found.values())
        return (
            f"{len(self.found):,} workflows of {steps:,} steps; {retried:,} attempts refused for good, "
            f"{revised:,} workflows that went on after an operator's retry"
        )

    def _forgotten(self) -> Iterator[str]:
        for one in self.created:
            found = self.found.get(one.id)
            if found is None and one.fate == COMMITTED:
                yield f"workflow {one.number} ({one.id}) isn't there"
            elif found is not None and (found.status != "success" or set(found.counts()) != {"success"}):
                yield f"workflow {one.number} ({one.id}) is {found.status}: {dict(found.counts())}"

    def _not_once(self) -> Iterator[str]:
        jobs = Counter(row.n for row in self.rows)
        numbers = {one.id: one.number for one in self.created}
        wanted = [_n(numbers[id_], step) for id_ in self.found for step in STEPS]
        for n in {*wanted, *jobs}:
            if jobs[n] != wanted.count(n):
                yield f"step {n} has {jobs[n]} jobs"

    def _too_early(self) -> Iterator[str]:
        first: dict[int, float] = {}
        for request in self.requests:
            first.setdefault(request.n, request.at)
        answered = defaultdict[int, list[float]](list)
        for request in self.requests:
            if request.is_delivered:
                answered[request.n].append(request.answered_at)
        for one in (one for one in self.created if one.id in self.found):
            for step, needed in NEEDS.items():
                for other in (name for letter in needed for name in STEPS if name.startswith(letter)):
                    began, done = first.get(_n(one.number, step)), answered[_n(one.number, other)]
                    if began is not None and began < min(done, default=began + 1):
                        yield f"step {step} of workflow {one.number} began before {other} had succeeded"


def _n(number: int, step: str) -> int:
    return -(number * len(STEPS) + STEPS.index(step))


@attrs.define
class Creator:
    """The application that creates workflows.

    Attributes:
        created: Those that it has created, or may have.
    """

    _outbox: Outbox
    created: list[Created] = attrs.field(factory=list)

    async def run(self) -> None:
        """Create one after the other, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            with suppress(Sp00kyError):  # the database is broken all the time
                await self._create(len(self.created) + 1)

    async def _create(self, number: int) -> None:
        items = [{"n": _n(number, f"e[{item}]")} for item in range(2)]
        async with self._outbox.extension(Workflows).create("diamond", {"items": items}) as w:
            a = w.step("a", "calm", "/calm", {"n": _n(number, "a")})
            after = [w.step(name, "wild", "/wild", {"n": _n(number, name)}, after=[a]) for name in "bc"]
            each = {"n": {"$from": "/n"}}
            after.append(w.step("e", "wild", "/wild", each, for_each={"$from": "input/items"}, after=[a]))
            w.step("d", "calm", "/calm", {"n": _n(number, "d")}, after=after)
            self.created.append(one := Created(number=number, id=w.id))
        one.fate = COMMITTED


async def run_workflows(
    *, seed: int, seconds: float, database: Database, folder: Path, runners: int
) -> Worked:
    """Break everything for a while; mend it, and wait until operators have seen every workflow through."""
    backend = ChaoticBackend(seed)
    async with staged(database, folder, backend, runners=runners, grace=GRACE, seed=seed, rate=5.0) as stage:
        scene = Scene(
            database=database,
            fleet=stage.fleet,
            enqueuer=stage.enqueuer,
            application=stage.application,
            random=Random(f"monkey {seed}"),  # noqa: S311  # repeatable, and no secret
        )
        creator = Creator(stage.outbox)
        async with beside(stage.enqueuer.run(), creator.run(), stage.retrier.run()):
            await Monkey(scene, KINDS).run(seconds)
        await stage.enqueuer.finish()
        backend.calm = True
        found = await _seen_through(stage.outbox, creator.created)
        await stage.fleet.stop_all()
        rows = [row for row in await database.rows() if row.n < 0]
        write_records(
            folder, requests=backend.requests, disturbances=scene.disturbances, created=creator.created
        )
        return Worked(
            created=creator.created,
            found=found,
            rows=rows,
            requests=backend.requests,
            outcries=stage.fleet.outcries(),
        )


async def _seen_through(outbox: Outbox, created: Sequence[Created]) -> dict[str, WorkflowRecord]:
    """Retry what failed until all have succeeded; what hasn't by then is for ``complaints`` to tell."""
    workflows, left, deadline = outbox.extension(Workflows), -1, time.monotonic() + LAST_JOBS
    while left and time.monotonic() < deadline:
        failed = await outbox.find(backend="wild", status=JobStatus.FAILED, limit=500)
        await outbox.retry(*(job.id for job in failed if job.payload["n"] < 0))
        running = await workflows.list(status="running", limit=10_000)
        before, left = left, len(running) + len(await workflows.list(status="failed", limit=10_000))
        deadline = time.monotonic() + LAST_JOBS if left != before else deadline
        await asyncio.sleep(1)
    there = {found.id for found in await workflows.list(limit=100_000)}
    return {one.id: await workflows.get(one.id) for one in created if one.id in there}
