"""The log of operators' acts."""

from collections.abc import Callable

from sp00ky_core.ports import Act
from sp00ky_store_surreal import SurrealStore


async def test_a_server_says_who_it_was(make_store: Callable[..., SurrealStore], surreal_url: str) -> None:
    store = make_store(surreal_url)
    await store.open()
    await store.migrate()
    await store.start_audit(Act(action="pause", selection={"backend": "api"}, actor="me"))
    (entry,) = await store.audit()
    await store.close()
    assert (entry.db_user, entry.actor, entry.selection) == ("root", "me", {"backend": "api"})


async def test_a_selection_that_no_reply_could_hold_is_kept(migrated: SurrealStore) -> None:
    await migrated.start_audit(Act(action="kill", selection={"path": "/a\0", "ids": ["job:1", None]}))
    (entry,) = await migrated.audit()
    assert entry.selection == {"path": "/a\0", "ids": ["job:1", None]}
