"""A breaker that is open."""

from __future__ import annotations

from sp00ky_core.job import NewJob
from sp00ky_store_surreal import SurrealStore


async def test_a_backend_whose_breaker_is_open_is_passed_over(migrated: SurrealStore) -> None:
    await migrated.add([NewJob(path="/a", backend="api")])
    await migrated._connection.write(
        "CREATE sp00ky_breaker:api SET backend = 'api', state = 'open', paused_until = time::now() + 1h"
    )
    assert await migrated.claim({"api": 5}, "r") == []
    breaker = (await migrated.stats())["api"].breaker
    assert (breaker.state, round(breaker.paused_for_s, -2)) == ("open", 3600)
    await migrated._connection.write("UPDATE sp00ky_breaker:api SET paused_until = time::now()")
    assert len(await migrated.claim({"api": 5}, "r")) == 1
