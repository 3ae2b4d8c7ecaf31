"""A session with the receiver on: runners, the service and their database break, and effects are counted."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import attrs

from chaos.checker import lost
from chaos.faults import GRACE, Scene
from chaos.history import Row
from chaos.monkey import Monkey
from chaos.postgres import Postgres
from chaos.service import SECRET, Service
from chaos.stage import beside, staged, until_ended

__all__ = ["Received", "run_received", "KINDS"]

KINDS = ("kill -9", "freeze", "deploy", "database restart", "connections cut", "reply lost")
"""Faults of the runners and of the database; those of the service are ``Service.torment``'s."""


@attrs.frozen(kw_only=True)
class Received:
    """What a session has shown.

    Attributes:
        committed: Jobs that were committed.
        lost: Numbers of those that aren't there or haven't ended.
        rows: Every job in the end.
        effects: Numbers of jobs, by the effect's id.
        answers: ``d``: done; ``r``: had been done before; ``f``: failed.
        faults: What was broken, and how often.
        outcries: Lines of the runners' logs that tell of a bug.
    """

    committed: int
    lost: Sequence[int]
    rows: Sequence[Row]
    effects: Mapping[int, int]
    answers: Mapping[str, int]
    faults: Mapping[str, int]
    outcries: Sequence[str] = ()

    def complaints(self) -> list[str]:
        """What should not have happened."""
        return [*self._lost(), *self._twice(), *self._told_otherwise(), *self.outcries]

    def twice(self) -> list[int]:
        """Jobs that were done more than once."""
        return sorted(n for n, count in Counter(self.effects.values()).items() if count > 1)

    def figures(self) -> str:
        """Numbers, in one line."""
        statuses = Counter(row.status for row in self.rows)
        faults = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        return (
            f"{self.committed:,} jobs committed, {len(self.lost)} lost; "
            f"{statuses['success']:,} success and {statuses['failed']:,} failed in the end; "
            f"{len(self.effects):,} effects, {len(self.twice())} jobs done twice; "
            f"answers: {self.answers.get('d', 0):,} done, {self.answers.get('r', 0):,} repeated, "
            f"{self.answers.get('f', 0):,} failed; broken: {faults}"
        )

    def _lost(self) -> Iterator[str]:
        done = set(self.effects.values())
        for n in self.lost:
            yield f"job {n} was committed and has not ended"
        for row in self.rows:
            if row.status == "success" and row.n not in done:
                yield f"job {row.n} is success, and was not done"

    def _twice(self) -> Iterator[str]:
        for n in self.twice():
            yield f"job {n} was done {Counter(self.effects.values())[n]} times"

    def _told_otherwise(self) -> Iterator[str]:
        """A job's result is the answer of what was done; nothing is done for what is no job."""
        for row in self.rows:
            effect = (row.result or {}).get("effect")
            if effect is not None and self.effects.get(effect) != row.n:
                yield f"job {row.n} was answered with effect {effect}, which isn't its own"
        for n in sorted(set(self.effects.values()) - {row.n for row in self.rows}):
            yield f"job {n} was done, and isn't there"


async def run_received(
    *,
    seed: int,
    seconds: float,
    database: Postgres,
    folder: Path,
    runners: int = 4,
    rate: float = 15.0,
    kinds: Sequence[str] = KINDS,
    receives: bool = True,
) -> Received:
    """Break everything for a while, wait until each job has ended, and count what was done."""
    service = Service(database, folder, seed=seed, receives=receives)
    setting = staged(
        database,
        folder,
        service,
        runners=runners,
        grace=GRACE,
        seed=seed,
        rate=rate,
        more=f'    signingSecret: "{SECRET}"\n',
    )
    async with setting as stage:
        scene = Scene(
            database=database,
            fleet=stage.fleet,
            enqueuer=stage.enqueuer,
            application=stage.application,
            random=Random(f"monkey {seed}"),  # noqa: S311  # repeatable, and no secret
        )
        async with beside(stage.enqueuer.run(), stage.retrier.run(), service.torment()):
            await (Monkey(scene, kinds).run(seconds) if kinds else asyncio.sleep(seconds))
        await stage.enqueuer.finish()
        await until_ended(database)
        await stage.fleet.stop_all()
        history = await stage.history(scene.disturbances)
        effects: Any = await database.fetch("SELECT id, n FROM effect")
        return Received(
            committed=sum(enqueue.fate == "committed" for enqueue in history.enqueues),
            lost=lost(history),
            rows=history.rows,
            effects={row["id"]: row["n"] for row in effects},
            answers=service.answers(),
            faults=service.faults + Counter(disturbance.kind for disturbance in scene.disturbances),
            outcries=stage.fleet.outcries(),
        )
