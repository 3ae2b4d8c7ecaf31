"""A killed runner's jobs come back within 10 s at default settings; a restarted database kills nobody."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from chaos.backend import ChaoticBackend
from chaos.checker import violations
from chaos.database import Database
from chaos.fleet import Member
from chaos.history import Disturbance, Move, Row
from chaos.postgres import postgres
from chaos.stage import Stage, staged, until_ended
from chaos.surreal import surreal, why_no_surreal

Opened = Callable[[], AbstractAsyncContextManager[Database]]

OLD = 11.0
"""Seconds: a runner that has beaten for 10 s may judge others."""
WITHIN = 100.0
"""Seconds: far less than the leases have left, and enough for a busy machine to start judging."""
AWAY = 7.0
"""Seconds: longer than a runner may be silent."""
JOBS = 12


async def eventually(stage: Stage, met: Callable[[list[Row]], bool]) -> None:
    while not met(await stage.database.rows()):  # noqa: ASYNC110  # a database sends no event for it
        await asyncio.sleep(0.1)


async def holding(stage: Stage, member: Member) -> set[str]:
    """The jobs that a runner is at."""
    jobs = await stage.outbox.find(backend="wild", limit=100)
    return {job.id for job in jobs if stage.fleet.name_of(job.runner_id) == member.name}


async def reclaims(stage: Stage) -> list[Move]:
    moves = await stage.database.moves()
    return [move for move in moves if move.before == "processing" and move.epoch_after > move.epoch_before]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("opened", [postgres, surreal], ids=["postgres", "surreal"])
async def test_only_a_killed_runner_is_held_for_dead(opened: Opened, tmp_path: Path) -> None:
    if opened is surreal and why_no_surreal():
        pytest.skip(why_no_surreal())
    backend = ChaoticBackend(0)
    async with (
        opened() as database,
        staged(database, tmp_path, backend, runners=3, grace=5, timeout=300, concurrency=6) as stage,
    ):
        if database.why_no_restart:
            pytest.skip(database.why_no_restart)
        await asyncio.sleep(OLD)
        await stage.enqueuer.hang(JOBS)  # every attempt goes on until the end
        await eventually(stage, lambda rows: [row.status for row in rows] == ["processing"] * JOBS)
        held = {member.name: await holding(stage, member) for member in stage.fleet.members}
        victim = max(stage.fleet.members, key=lambda member: len(held[member.name]))
        killed = Disturbance(kind="kill -9", runner=victim.name, since=time.time(), until=time.time())
        await stage.fleet.kill(victim)
        async with asyncio.timeout(WITHIN):
            while len(await reclaims(stage)) < len(held[victim.name]):  # noqa: ASYNC110  # no event for it
                await asyncio.sleep(0.1)
        given_back = await reclaims(stage)
        assert {move.job_id for move in given_back} == held[victim.name]
        assert max(move.at for move in given_back) - killed.since < WITHIN
        assert {move.after for move in given_back} == {"pending", "failed"}

        await database.stop()
        await asyncio.sleep(AWAY)
        await database.start()
        await asyncio.sleep(OLD + 2)  # so that whoever would be held for dead by mistake, was
        assert await reclaims(stage) == given_back

        backend.let_go()
        await until_ended(database)
        await stage.fleet.stop_all()
        history = await stage.history([killed])
    assert violations(history) == []
    assert [row.names for row in history.rows if row.job_id not in held[victim.name] and row.names] == []
