"""Entries name the database's user, and go when they are old."""

from __future__ import annotations

from typing import Any

import pytest

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.ports import AUDIT_KEPT, Act
from sp00ky_store_postgres import PostgresStore


async def test_an_entry_says_by_whom_the_database_knows_them(store: PostgresStore, sql: Any) -> None:
    await store.start_audit(Act(action="kill", selection={"ids": ["job:1"]}, actor="another"))
    (entry,) = await store.audit()
    assert entry.db_user == await sql.fetchval("SELECT session_user::text")
    assert (entry.actor, entry.selection) == ("another", {"ids": ["job:1"]})


async def test_old_entries_are_pruned(store: PostgresStore, sql: Any, quoted: str) -> None:
    for action in ("kill", "clear"):
        await store.start_audit(Act(action=action))
    old = f"UPDATE {quoted}.sp00ky_audit SET at = now() - make_interval(secs => $1) WHERE action = 'kill'"
    await sql.execute(old, AUDIT_KEPT + 1)
    assert await store.prune() == 0
    assert [entry.action for entry in await store.audit()] == ["clear"]


@pytest.mark.parametrize("entry_id", ["", "x", "1" * 40, "²"])
async def test_an_id_that_is_none_is_refused(store: PostgresStore, entry_id: str) -> None:
    with pytest.raises(OptionInvalid):
        await store.audit(after=entry_id)
    with pytest.raises(OptionInvalid):
        await store.update_audit(entry_id, count=1)
