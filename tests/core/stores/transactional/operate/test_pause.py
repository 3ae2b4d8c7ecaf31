"""Backends that operators have paused."""

from __future__ import annotations

from tests.core.stores.transactional.conftest import SqliteSession

from sp00ky_core.ports import Pause
from sp00ky_core.stores.transactional.fleet.limit import lock_control
from sp00ky_core.stores.transactional.operate.pause import (
    pause,
    pause_of,
    read_controls,
    resume,
)
from sp00ky_core.stores.transactional.schema.definition import CONTROLS


async def paused(session: SqliteSession, backend: str = "api") -> Pause | None:
    controls = await read_controls(session, [backend])
    return pause_of(controls[backend], session.at) if backend in controls else None


async def test_it_leaves_the_tokens_of_its_backend_alone(session: SqliteSession) -> None:
    await lock_control(session, "api")
    await session.execute("UPDATE sp00ky_control SET tokens = 3")
    assert await paused(session) is None
    await pause(session, "api", seconds=None, reason=None, actor=None)
    await resume(session, "api")
    (row,) = await session.select(CONTROLS)
    assert row["tokens"] == 3
    assert await resume(session, "mail") is False
