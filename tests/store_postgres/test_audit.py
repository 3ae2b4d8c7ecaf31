"""Entries name the database's user, and each is written once."""

from typing import Any

import pytest
from tests.store_postgres.conftest import lose_first_reply

from sp00ky_core.ports import Act
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.connection.statements import Transaction

ACT = Act(action="kill", selection={"ids": ["job:1"]}, actor="another")


async def test_an_entry_says_by_whom_the_database_knows_them(store: PostgresStore, sql: Any) -> None:
    await store.start_audit(ACT)
    (entry,) = await store.audit()
    assert entry.db_user == await sql.fetchval("SELECT session_user::text")
    assert (entry.actor, entry.selection) == ("another", {"ids": ["job:1"]})


async def test_an_entry_whose_reply_was_lost_is_written_once(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = lose_first_reply(monkeypatch, Transaction, "attempt")
    entry_id = await store.start_audit(ACT)
    assert len(tries) == 2
    assert [entry.id for entry in await store.audit()] == [entry_id]
