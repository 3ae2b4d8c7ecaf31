"""Entries name the database's user, and go when they are old."""

from typing import Any

from sp00ky_core.ports import Act
from sp00ky_store_postgres import PostgresStore


async def test_an_entry_says_by_whom_the_database_knows_them(store: PostgresStore, sql: Any) -> None:
    await store.start_audit(Act(action="kill", selection={"ids": ["job:1"]}, actor="another"))
    (entry,) = await store.audit()
    assert entry.db_user == await sql.fetchval("SELECT session_user::text")
    assert (entry.actor, entry.selection) == ("another", {"ids": ["job:1"]})
