"""``_00_job_policy``, in which other tools of a Sp00ky project set how many attempts run at a time."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from sp00ky_core.ports import SettingsRecord
from sp00ky_store_surreal import SurrealStore


@pytest.fixture(params=["embedded", "server"])
def place(request: pytest.FixtureRequest) -> str:
    return "mem://" if request.param == "embedded" else str(request.getfixturevalue("surreal_url"))


@pytest_asyncio.fixture
async def store(make_store: Callable[..., SurrealStore], place: str) -> AsyncIterator[SurrealStore]:
    store = make_store(place)
    await store.open()
    await store.migrate()
    yield store
    await store.close()


async def test_it_is_set_beside_what_operators_set(store: SurrealStore) -> None:
    assert await store.settings() == {}
    write = store._connection.write
    await write("UPSERT _00_job_policy:job SET owner = 'x'; UPSERT _00_job_policy:other SET concurrency = 3;")
    assert await store.settings() == {}
    await write("UPDATE _00_job_policy:job SET concurrency = 20")
    policy = SettingsRecord(values={"concurrency": 20}, actor="_00_job_policy")
    assert await store.settings() == {"api": policy}
    await store.change_settings("api", {"timeout": 5}, actor="eve")
    assert await store.settings() == {
        "api": SettingsRecord(values={"concurrency": 20, "timeout": 5}, actor="eve")
    }
    await store.change_settings("api", {"concurrency": 7})
    assert (await store.settings())["api"].values == {"concurrency": 7, "timeout": 5}
    await store.reset_settings("api")
    assert await store.settings() == {"api": policy}
