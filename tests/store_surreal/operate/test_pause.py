"""Pauses: read in the claim's own round trip, and kept beside the tokens."""

from __future__ import annotations

from datetime import UTC, datetime

from sp00ky_core.job import NewJob
from sp00ky_core.ports import Pause
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.operate.pause import pause_of


async def test_a_pause_is_read_with_the_claim(migrated: SurrealStore) -> None:
    await migrated.add([NewJob(path="/a", backend="api")])
    await migrated.claim({"api": 0}, "r")
    await migrated.pause("api", seconds=60, reason="why", actor="me")
    written = migrated._connection.written.total()
    claim = await migrated.claim({"api": 5}, "r")
    assert migrated._connection.written.total() == written + 1
    assert list(claim) == []
    assert 50 < claim.paused["api"] <= 60


async def test_it_leaves_the_tokens_as_they_are(migrated: SurrealStore) -> None:
    await migrated._connection.write(
        "CREATE sp00ky_control:api SET backend = 'api', tokens = 1.5, tokens_at = time::now()"
    )
    assert await migrated.pause("api")
    assert await migrated.resume("api")
    assert await migrated._connection.read("SELECT VALUE [tokens, paused] FROM sp00ky_control") == [
        [[1.5, False]]
    ]


def test_a_pause_without_end_has_none() -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    assert pause_of({"since": since, "reason": "why"}) == Pause(since=since, reason="why")
