"""The log of operators' acts."""

from __future__ import annotations

from collections.abc import Callable

from sp00ky_core.ports import AUDIT_KEPT, Act
from sp00ky_store_surreal import SurrealStore


async def test_a_server_says_who_it_was(make_store: Callable[..., SurrealStore], surreal_url: str) -> None:
    store = make_store(surreal_url)
    await store.open()
    await store.migrate()
    await store.start_audit(Act(action="pause", selection={"backend": "api"}, actor="me"))
    (entry,) = await store.audit()
    await store.close()
    assert (entry.db_user, entry.actor, entry.selection) == ("root", "me", {"backend": "api"})


async def test_entries_of_one_instant_have_an_order(migrated: SurrealStore) -> None:
    ids = [await migrated.start_audit(Act(action="kill", reason=f"{n}")) for n in range(5)]
    await migrated._connection.write("UPDATE sp00ky_audit SET at = d'2026-01-01T00:00:00Z'")
    found, last = [], None
    while page := await migrated.audit(limit=2, after=last):
        found += [entry.id for entry in page]
        last = found[-1]
    assert found == sorted(ids, reverse=True)


async def test_old_ones_go(migrated: SurrealStore) -> None:
    old, new = [await migrated.start_audit(Act(action="kill")) for _ in range(2)]
    await migrated._connection.write(
        "UPDATE type::thing('sp00ky_audit', $key) SET at = time::now() - <duration>$kept"
        if migrated._connection.target.embedded
        else "UPDATE type::record('sp00ky_audit', $key) SET at = time::now() - <duration>$kept",
        key=old,
        kept=f"{AUDIT_KEPT + 60:.0f}s",
    )
    assert await migrated.prune() == 0
    assert [entry.id for entry in await migrated.audit()] == [new]


async def test_a_selection_that_no_reply_could_hold_is_kept(migrated: SurrealStore) -> None:
    await migrated.start_audit(Act(action="kill", selection={"path": "/a\0", "ids": ["job:1", None]}))
    (entry,) = await migrated.audit()
    assert entry.selection == {"path": "/a\0", "ids": ["job:1", None]}
