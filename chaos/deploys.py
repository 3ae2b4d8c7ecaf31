"""Rolling restarts: runners are told to end and replaced, one after the other, while jobs come in."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import attrs

from chaos.backend import ChaoticBackend
from chaos.checker import repeated
from chaos.database import Database
from chaos.fleet import Member
from chaos.history import Disturbance, Row
from chaos.session import Ending
from chaos.stage import Stage, beside, staged, until_ended

__all__ = ["GRACE", "LEAST", "Deployed", "run_deploys"]

GRACE = 4.0
EVERY = 3.0
"""Seconds from one SIGTERM to the next."""
LEAST = 4
"""Restarts that there are however long each takes on a busy machine."""
LATE = 2.0
"""Seconds that a runner may take beyond ``grace``."""


@attrs.frozen(kw_only=True)
class Deployed:
    """What rolling restarts have cost."""

    ending: Ending
    long: Sequence[Row]  # jobs whose first attempt never ends

    @property
    def short(self) -> list[Row]:
        """Jobs whose attempts end within ``grace``."""
        long = {row.n for row in self.long}
        return [row for row in self.ending.history.rows if row.n not in long]

    def complaints(self) -> list[str]:
        """What should not have happened."""
        burned = [f"job {row.n} lost an attempt: {row.names}" for row in self.short if row.names]
        burned += [
            f"job {row.n} outlived its runner, and its errors are {row.names}"
            for row in self.long
            if set(row.names) != {"outcome_unknown"}
        ]
        again = [f"job {first.n} was answered and sent again" for first, _ in repeated(self.ending.history)]
        late = [
            f"a runner took {seconds:.1f} s to end"
            for _, seconds in self.ending.exits
            if seconds > GRACE + LATE
        ]
        return [*burned, *again, *late, *self.ending.complaints()]


async def run_deploys(seconds: float, database: Database, folder: Path, *, runners: int = 4) -> Deployed:
    """Replace a runner every 3 s for a while; the backend takes its time, and never answers some jobs."""
    backend = ChaoticBackend(0, weights={"slow": 1})
    noted: list[Disturbance] = []
    async with staged(database, folder, backend, runners=runners, grace=GRACE, timeout=60) as stage:
        async with beside(stage.enqueuer.run()):
            exits = await _replace_all(stage, seconds, noted)
        await stage.enqueuer.finish()
        long = await _until_only_long_ones(stage)
        noted += map(_deploy_of, stage.fleet.members)
        exits += await stage.fleet.stop_all()  # their attempts, too, are cut off by a deploy
        backend.calm = True
        await stage.fleet.ready(await stage.fleet.start())
        await until_ended(database)
        exits += await stage.fleet.stop_all()
        history = await stage.history(noted)
        ending = Ending(history=history, exits=exits, outcries=stage.fleet.outcries())
        return Deployed(ending=ending, long=[row for row in history.rows if row.n in long])


async def _replace_all(stage: Stage, seconds: float, noted: list[Disturbance]) -> list[tuple[int, float]]:
    deadline, stops = time.monotonic() + seconds, []
    while time.monotonic() < deadline or len(noted) < LEAST:
        await stage.enqueuer.hang(1)
        oldest = stage.fleet.members[0]
        await stage.fleet.ready(oldest)  # before that it has nothing to drain, and ends at once
        noted.append(_deploy_of(oldest))
        stops.append(asyncio.create_task(stage.fleet.stop(oldest)))
        await stage.fleet.start()
        await asyncio.sleep(EVERY)
    return list(await asyncio.gather(*stops))


def _deploy_of(member: Member) -> Disturbance:
    """It is told to end now, and has ended before long."""
    now = time.time()
    return Disturbance(kind="deploy", runner=member.name, since=now, until=now + GRACE + LATE, excuses=False)


async def _until_only_long_ones(stage: Stage) -> set[int]:
    """Wait until every other job has ended; the numbers of those whose attempts never end."""
    long = set(stage.enqueuer.hanging)
    while True:
        rows = await stage.database.rows()
        requested = {request.n for request in stage.backend.requests}
        if all(row.n in long or row.status in {"success", "failed"} for row in rows) and long <= requested:
            return long
        await asyncio.sleep(0.1)
