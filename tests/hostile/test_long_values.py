"""Rows with values that are far too long: they end, unread, and other jobs don't wait for them.

``SP00KY_HOSTILE_MB`` is how long they are; nightly runs take 10 and 300.
"""

import os
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.job.job import JobStatus, NewJob
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobQuery, JobTable, StoreOptions
from sp00ky_store_surreal import SurrealStore

MEGABYTES = int(os.environ.get("SP00KY_HOSTILE_MB", "2"))
LOOSE = "".join(
    f"DEFINE FIELD OVERWRITE {name} ON job TYPE any;"
    for name in (
        "path",
        "payload",
        "retry_strategy",
        "traceparent",
        "dedup_key",
        "result",
        "errors",
        "errors.*",
    )
)
"""As where the user has defined the fields: no length is refused."""

COLUMNS = {
    "path": "$long",
    "payload": "$long",
    "retry_strategy": "$long",
    "traceparent": "$long",
    "dedup_key": "$long",
    "errors": "[{ name: 'x', reason: $long }]",
}
MOST = 50 * 2**20
"""Bytes of this process that such a row may cost."""


@pytest.fixture(params=["embedded", "server"])
def url(request: pytest.FixtureRequest) -> str:
    return "mem://" if request.param == "embedded" else str(request.getfixturevalue("surreal_url"))


@pytest_asyncio.fixture
async def store(url: str, tmp_path: Path) -> AsyncIterator[SurrealStore]:
    tables = (JobTable(backend="api", table="job", max_payload_bytes=2**20),)
    store = SurrealStore(StoreOptions(url=url, tables=tables, directory=tmp_path))
    await store.open()
    await store.migrate()
    yield store
    await store.close()


async def write(store: SurrealStore, column: str) -> None:
    values = {"path": "'/a'", "payload": "'{}'", column: COLUMNS[column]}
    content = ", ".join(f"{name} = {value}" for name, value in values.items())
    await store._connection.write(
        "LET $part = string::repeat('x', 1000000);"
        f"LET $long = array::join(array::repeat($part, {MEGABYTES}), '') + 'x';"
        f"CREATE job:long SET {content} RETURN NONE"
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("column", COLUMNS)
async def test_a_value_that_is_too_long_is_not_read(store: SurrealStore, column: str) -> None:
    await store._connection.write(LOOSE)
    await write(store, column)
    (good,) = await store.add([NewJob(backend="api", path="/a")])
    claimed = {}
    tracemalloc.start()
    try:
        while good.id not in claimed or "job:long" not in claimed:
            claim = await store.claim({"api": 5}, "r")
            claimed.update({job.id: job for job in claim})
            await store.settle([settlement(job, Delivered()) for job in claim])
        listed = await store.find(JobQuery())
        await store.reclaim({}, beating=[])
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()
    assert {job.id for job in listed} == {good.id, "job:long"}
    assert claimed[good.id].defect is None
    if column != "errors":
        assert column in (claimed["job:long"].defect or "")


@pytest.mark.parametrize("column", ["path", "traceparent", "dedup_key"])
async def test_a_text_that_is_too_long_is_refused_where_the_field_is_ours(
    store: SurrealStore, column: str
) -> None:
    with pytest.raises(Exception, match=f"for field `?{column}"):
        await write(store, column)
    (job,) = await store.add([NewJob(backend="api", path="/a")])
    assert [stored.id for stored in await store.find(JobQuery(status=JobStatus.PENDING))] == [job.id]
