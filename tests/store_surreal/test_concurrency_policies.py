"""``_00_job_policy``, in which other tools of a Sp00ky project set how many attempts run at a time."""

from sp00ky_core.ports import SettingsRecord
from sp00ky_store_surreal import SurrealStore


async def test_it_is_set_beside_what_operators_set(migrated: SurrealStore) -> None:
    assert await migrated.settings() == {}
    write = migrated._connection.write
    await write("UPSERT _00_job_policy:job SET owner = 'x'; UPSERT _00_job_policy:other SET concurrency = 3;")
    assert await migrated.settings() == {}
    await write("UPDATE _00_job_policy:job SET concurrency = 20")
    policy = SettingsRecord(values={"concurrency": 20}, actor="_00_job_policy")
    assert await migrated.settings() == {"api": policy}
    await migrated.change_settings("api", {"timeout": 5}, actor="eve")
    assert await migrated.settings() == {
        "api": SettingsRecord(values={"concurrency": 20, "timeout": 5}, actor="eve")
    }
    await migrated.change_settings("api", {"concurrency": 7})
    assert (await migrated.settings())["api"].values == {"concurrency": 7, "timeout": 5}
    await migrated.reset_settings("api")
    assert await migrated.settings() == {"api": policy}
