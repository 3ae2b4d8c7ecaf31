"""The audit in the memory store."""

from __future__ import annotations

from sp00ky_core.ports import AUDIT_KEPT, Act, StoreOptions
from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.testing import FakeClock


async def test_an_act_is_kept_with_how_far_it_came() -> None:
    clock = FakeClock()
    store = MemoryStore(StoreOptions(url="memory://", tables=()), now=clock.now)
    act = Act(action="kill", selection={"ids": ["job:1"]}, actor="ann", via="cli", host="h", reason="why")
    first = await store.start_audit(act)
    since = clock.advance(1)
    await store.update_audit(first, count=500)
    second = await store.start_audit(Act(action="pause"))
    await store.update_audit(first, count=700, ended=True)
    await store.update_audit("unknown", count=1)
    newest, oldest = await store.audit()
    assert (newest.id, oldest.id) == (second, first)
    assert (oldest.action, oldest.selection, oldest.actor, oldest.via) == (
        "kill",
        act.selection,
        "ann",
        "cli",
    )
    assert (oldest.count, oldest.ended_at, newest.ended_at) == (700, clock.now(), None)
    assert [each.id for each in await store.audit(limit=1)] == [second]
    assert [each.id for each in await store.audit(after=second)] == [first]
    assert [each.id for each in await store.audit(since=clock.now())] == [second], since


async def test_an_entry_goes_after_its_time() -> None:
    clock = FakeClock()
    store = MemoryStore(StoreOptions(url="memory://", tables=()), now=clock.now)
    await store.start_audit(Act(action="kill"))
    await store.prune()
    assert await store.audit()
    clock.advance(AUDIT_KEPT)
    await store.prune()
    assert await store.audit() == []
