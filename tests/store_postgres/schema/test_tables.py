"""A table may have any name."""

from typing import Any

import pytest
from tests.store_postgres.conftest import findings

from sp00ky_core.ports import JobTable

NAMES = [
    "job",
    "Job Table",
    'we"ird',
    "\u00fcml\u00e4ut",
    "select",
    "x" * 63,
    "a.b",
    "it's",
    "back\\slash",
    "a$do$b",
    "{{columns}}",
]


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_of_a_table_works(make: Any, new_job: Any, name: str) -> None:
    store = make(tables=(JobTable(backend="it's an \\ api", table=name),))
    await store.open()
    try:
        await store.migrate()
        assert await findings(store) == []
        (added,) = await store.add([new_job(backend="it's an \\ api", dedup_key="k")])
        (job,) = await store.claim({"it's an \\ api": 1}, "r1")
        assert job.id == added.id
        assert (await store.stats())["it's an \\ api"].processing == 1
    finally:
        await store.close()
