"""Pauses, drains and audits by way of the store."""

from __future__ import annotations

import pytest
from tests.core.stores.transactional.test_store import JOB, Store, store

from sp00ky_core.errors import UnknownBackend
from sp00ky_core.ports import Act, RunnerInfo

__all__ = ["store"]


async def test_a_pause_and_a_resume_are_signals(store: Store) -> None:
    signal = store.work_signal()
    await anext(signal)
    await store.add([JOB])
    await anext(signal)
    assert await store.pause("api", reason="down", actor="ann")
    await anext(signal)
    assert await store.claim({"api": 5}, "r") == []
    paused = (await store.stats())["api"].paused
    assert paused is not None
    assert (paused.reason, paused.actor) == ("down", "ann")
    assert await store.resume("api")
    await anext(signal)
    assert len(await store.claim({"api": 5}, "r")) == 1
    await signal.aclose()


async def test_a_backend_that_is_unknown_is_named(store: Store) -> None:
    for call in (store.pause, store.resume):
        with pytest.raises(UnknownBackend):
            await call("fax")
    assert not await store._executor.read(controls)


async def controls(session: object) -> object:
    return (await session.execute("SELECT * FROM sp00ky_control"))[0]  # type: ignore[attr-defined]  # an SqlSession


async def test_a_runner_from_its_first_beat_to_its_end(store: Store) -> None:
    await store.beat("r", RunnerInfo(slots={"api": 5}, in_flight={"api": 1}))
    (record,) = await store.runners()
    assert (record.id, record.info.slots, record.info.draining) == ("r", {"api": 5}, False)
    assert await store.drain_runner("r")
    assert not await store.drain_runner("s")
    assert (await store.beat("r"))["r"].info.draining
    await store.remove_runner("r")
    assert await store.runners() == []


async def test_an_act_is_written_down(store: Store) -> None:
    entry_id = await store.start_audit(Act(action="kill"))
    await store.update_audit(entry_id, count=2, ended=True)
    (entry,) = await store.audit(limit=1)
    assert (entry.id, entry.count, entry.ended_at is not None) == (entry_id, 2, True)
    assert await store.errors() == []
