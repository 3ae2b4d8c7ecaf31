"""Heartbeats wait for nothing."""

from __future__ import annotations

from sp00ky_store_surreal import SurrealStore


async def test_a_beat_does_not_wait_for_writes(migrated: SurrealStore) -> None:
    async with migrated._connection._writes:
        assert set(await migrated.beat("r1")) == {"r1"}
