"""The embedded engine is opened anew between calls, once for each fault."""

from __future__ import annotations

import asyncio

import pytest

from sp00ky_store_surreal.connection.reopening import Healing


class Engine:
    """Counts how often it was opened; the first tries may fail."""

    def __init__(self, failing: int = 0) -> None:
        self.opened = 0
        self.failing = failing
        self.healing = Healing(self.reopen)

    async def reopen(self) -> None:
        self.opened += 1
        if self.opened <= self.failing:
            raise OSError("the disk is full")


async def test_a_sound_engine_is_left_as_it_is() -> None:
    engine = Engine()
    async with engine.healing.call():
        pass
    assert engine.opened == 0


async def test_it_waits_for_the_calls_under_way() -> None:
    engine = Engine()
    async with engine.healing.call():
        engine.healing.needed()
        waiting = asyncio.ensure_future(called(engine))
        await asyncio.sleep(0)
        assert engine.opened == 0
    await waiting
    assert (engine.opened, engine.healing.problem) == (1, "")


async def test_a_try_that_fails_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(failing=2)
    monkeypatch.setattr(engine.healing._backoff, "next", lambda: 0.0)
    engine.healing.needed()
    for _ in range(2):
        await called(engine)
        assert "the disk is full" in engine.healing.problem
    await called(engine)
    assert engine.healing.problem == ""
    assert [record.message.partition(",")[0] for record in caplog.records] == [
        "the engine's storage failed",
        "the engine's storage failed: it was opened again",
    ]


async def test_a_fault_soon_after_waits_for_its_turn() -> None:
    engine = Engine()
    for _ in range(3):
        engine.healing.needed()
        await called(engine)
    assert engine.opened == 1
    await engine.healing.stop()
    engine.healing.needed()
    await called(engine)
    assert engine.opened == 2


async def called(engine: Engine) -> None:
    async with engine.healing.call():
        pass
