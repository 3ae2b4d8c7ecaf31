"""Outages: backends go away while thousands of jobs wait, and come back; one beside them stays."""

import asyncio
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import attrs

from chaos.fleet import SP00KY, Fleet
from chaos.frail import HANG, FrailBackend
from chaos.outage_figures import BreakerMove, Mark, Outage, outage_of
from chaos.postgres import Postgres
from chaos.project import write_outage_project
from chaos.proxy import Proxy
from sp00ky_core import JobStatus, NewJob, Outbox
from sp00ky_core.ports import JobQuery

__all__ = ["OutagePlan", "run_outages"]

STEADY = "steady"
"""The backend beside them."""

CONCURRENCY = 8
TAKES, STEADY_TAKES = 0.25, 0.8
"""Seconds that a request takes of a backend that is well."""
HANGS_FOR, PATIENCE = 2.0, 60.0
"""Seconds that an attempt may take of the backend that hangs, and of the others: where the machine is busy,
that must not look like an outage of theirs."""
GRACE = 4.0
SPARE = 60.0
"""Seconds of work that the steady backend has beyond the outage."""
LAST_JOBS = 300.0
"""Seconds that what is left gets to end."""
ONE_ATTEMPT = 10
"""One in so many jobs may be tried once only."""

RECORD = """
CREATE TABLE chaos_breaker (
    seq bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), backend text NOT NULL,
    failures integer NOT NULL, takes_probe boolean NOT NULL
);
CREATE FUNCTION chaos_breaker() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_breaker (backend, failures, takes_probe) VALUES (
        NEW.backend, NEW.failures,
        TG_OP = 'UPDATE' AND NEW.probe_until IS NOT NULL AND NEW.probe_until IS DISTINCT FROM OLD.probe_until
    );
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_breaker AFTER INSERT OR UPDATE ON sp00ky_breaker
FOR EACH ROW EXECUTE FUNCTION chaos_breaker();
"""


@attrs.frozen(kw_only=True)
class OutagePlan:
    """What a run is like."""

    kinds: Sequence[str]  # each has a backend of its own, and all are away at the same time
    seconds: float
    waiting: int  # jobs of each, when it goes away
    before: float = 10.0  # seconds of good times
    runners: int = 3


async def run_outages(plan: OutagePlan, database: Postgres, folder: Path) -> list[Outage]:
    """Run it to the last job of the backends that were away."""
    async with AsyncExitStack() as stack:
        frail = {
            kind: await stack.enter_async_context(FrailBackend(kind, takes=TAKES)) for kind in plan.kinds
        }
        steady = await stack.enter_async_context(FrailBackend(STEADY, takes=STEADY_TAKES))
        origins = {name: backend.url for name, backend in (*frail.items(), (STEADY, steady))}
        timeouts = {name: HANGS_FOR if name == HANG else PATIENCE for name in origins}
        config = write_outage_project(folder, origins, timeouts=timeouts, concurrency=CONCURRENCY)
        application = Proxy(database.connect)
        await application.open()
        stack.push_async_callback(application.close)
        url = database.url(application.port)
        outbox = await stack.enter_async_context(Outbox.open(config, store=url))
        await outbox.store.migrate()
        await database.execute(RECORD)
        fleet = Fleet(config, database.connect, database.url, "--grace", str(GRACE))
        await stack.enter_async_context(fleet)
        await asyncio.gather(*map(fleet.ready, [await fleet.start() for _ in range(plan.runners)]))
        await _enqueue(plan, outbox)
        begun = time.time()
        await asyncio.sleep(plan.before)
        since = time.time()
        await asyncio.gather(*(backend.go_away() for backend in frail.values()))
        await asyncio.sleep(plan.seconds / 2)
        shown = await _stats(config, url)
        await asyncio.sleep(since + plan.seconds - time.time())
        until = time.time()
        await asyncio.gather(*(backend.come_back() for backend in frail.values()))
        await _until_ended(outbox, plan.kinds)
        await fleet.stop_all()
        moves = await _moves(database)
        return [
            outage_of(
                kind,
                since=since,
                until=until,
                marks=_marks(folder),
                moves=moves,
                answered=backend.answered,
                others=steady.answered,
                others_since=begun + STEADY_TAKES,  # when every place is taken
                waiting=shown[kind]["pending"],
                state=shown[kind]["breaker"]["state"],
                **await _failed(outbox, kind),
            )
            for kind, backend in frail.items()
        ]


async def _enqueue(plan: OutagePlan, outbox: Outbox) -> None:
    places = plan.runners * CONCURRENCY
    steady = math.ceil(places / STEADY_TAKES * (plan.before + plan.seconds + SPARE))
    frail = plan.waiting + math.ceil(places / TAKES * plan.before)
    for name, count in (*((kind, frail) for kind in plan.kinds), (STEADY, steady)):
        jobs = [
            NewJob(path="/work", payload={"n": n}, max_retries=0 if n % ONE_ATTEMPT == 0 else 3)
            for n in range(count)
        ]
        for first in range(0, count, 1_000):
            await outbox.run_many(name, jobs[first : first + 1_000])


async def _stats(config: Path, url: str) -> Mapping[str, Any]:
    """What an operator sees."""
    command = (str(SP00KY), "--config", str(config), "jobs", "stats", "--json")
    environment = {**os.environ, "SP00KY_STORE": url}
    child = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    output, _ = await child.communicate()
    stats: Mapping[str, Any] = json.loads(output)["backends"]
    return stats


async def _until_ended(outbox: Outbox, kinds: Sequence[str]) -> None:
    deadline = time.monotonic() + LAST_JOBS
    while time.monotonic() < deadline:
        stats = await outbox.store.stats()
        if not any(stats[kind].pending + stats[kind].processing for kind in kinds):
            return
        await asyncio.sleep(0.5)
    raise TimeoutError("jobs don't end though their backends are back")


async def _failed(outbox: Outbox, kind: str) -> Mapping[str, int]:
    jobs = await outbox.store.find(JobQuery(backend=kind, status=JobStatus.FAILED, limit=100_000))
    early = sum(job.max_retries > 0 for job in jobs)
    return {"failed": len(jobs) - early, "failed_early": early}


async def _moves(database: Postgres) -> list[BreakerMove]:
    rows = await database.fetch("SELECT * FROM chaos_breaker ORDER BY seq")
    return [
        BreakerMove(
            at=row["at"].timestamp(),
            backend=row["backend"],
            failures=row["failures"],
            takes_probe=row["takes_probe"],
        )
        for row in rows
    ]


def _marks(folder: Path) -> list[Mark]:
    files = sorted(folder.glob("reports-*.jsonl"))
    return [Mark(**json.loads(line)) for file in files for line in file.read_bytes().splitlines()]
