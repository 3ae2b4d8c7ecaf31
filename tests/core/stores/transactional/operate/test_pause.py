"""Backends that operators have paused."""

from __future__ import annotations

import math
from datetime import timedelta

from tests.core.stores.transactional.conftest import NOW, SqliteSession

from sp00ky_core.ports import Pause
from sp00ky_core.stores.transactional.fleet.limit import lock_control
from sp00ky_core.stores.transactional.operate.pause import (
    pause,
    pause_of,
    read_controls,
    resume,
    seconds_left,
)
from sp00ky_core.stores.transactional.schema.definition import CONTROLS


async def paused(session: SqliteSession, backend: str = "api") -> Pause | None:
    controls = await read_controls(session, [backend])
    return pause_of(controls[backend], session.at) if backend in controls else None


async def test_a_pause_holds_until_it_is_resumed(session: SqliteSession) -> None:
    assert await paused(session) is None
    assert await pause(session, "api", seconds=None, reason="down", actor="ann") is True
    session.pass_time(days=99)
    assert await paused(session) == Pause(since=NOW, reason="down", actor="ann")
    assert await paused(session, "mail") is None
    assert await resume(session, "api") is True
    assert await paused(session) is None
    assert await resume(session, "api") is False


async def test_a_pause_has_an_end(session: SqliteSession) -> None:
    await pause(session, "api", seconds=60, reason=None, actor=None)
    until = NOW + timedelta(seconds=60)
    assert await paused(session) == Pause(until=until, since=NOW)
    session.pass_time(seconds=60)
    assert await paused(session) is None
    assert await resume(session, "api") is False
    assert await pause(session, "api", seconds=None, reason=None, actor=None) is True
    assert await paused(session) == Pause(since=until)


async def test_a_pause_of_what_is_paused_keeps_its_beginning(session: SqliteSession) -> None:
    await pause(session, "api", seconds=60, reason="one", actor="ann")
    session.pass_time(seconds=10)
    assert await pause(session, "api", seconds=None, reason=None, actor="bob") is False
    assert await paused(session) == Pause(since=NOW, actor="bob")
    assert await session.count(CONTROLS) == 1


async def test_it_leaves_the_tokens_of_its_backend_alone(session: SqliteSession) -> None:
    await lock_control(session, "api")
    await session.execute("UPDATE sp00ky_control SET tokens = 3")
    assert await paused(session) is None
    await pause(session, "api", seconds=None, reason=None, actor=None)
    await resume(session, "api")
    (row,) = await session.select(CONTROLS)
    assert row["tokens"] == 3
    assert await resume(session, "mail") is False


def test_seconds_that_are_left() -> None:
    assert seconds_left(Pause(), NOW) == math.inf
    assert seconds_left(Pause(until=NOW + timedelta(seconds=5)), NOW) == 5
