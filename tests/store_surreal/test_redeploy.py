"""A schema that is deployed again over a migrated table, by Sp00ky's tools; a database that is emptied."""

import re
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.errors import SchemaError
from sp00ky_core.job.job import NewJob

SPEC = (Path(__file__).parent / "spec_job.surql").read_text()


@pytest.mark.parametrize("again", ["DEFINE {} OVERWRITE", "DEFINE {} IF NOT EXISTS"])
async def test_what_was_added_stays(surreal_url: str, again: str, make_migrated: Any) -> None:
    surrealdb = pytest.importorskip("surrealdb")
    user, _, place = surreal_url.removeprefix("ws://").rpartition("@")
    host, namespace, database = place.split("/")
    async with surrealdb.AsyncSurreal(f"ws://{host}") as root:
        await root.signin(dict(zip(("username", "password"), user.split(":"), strict=True)))
        await root.use(namespace, database)
        await root.query_raw(SPEC, {})
        store = await make_migrated(surreal_url)
        await root.query_raw(re.sub(r"DEFINE (TABLE|FIELD)", lambda found: again.format(found[1]), SPEC), {})
        opened = ["max_retries"] if again.endswith("OVERWRITE") else []
        assert [step.statement.split()[3] for step in await store.migration()] == opened
        await root.query_raw("CREATE thread:a", {})
        (job,) = await store.add([NewJob(path="/a", backend="api", assigned_to="thread:a", dedup_key="k")])
        (claimed,) = await store.claim({"api": 1}, "runner")
        assert (claimed.id, claimed.lease_epoch) == (job.id, 1)
        assert not [finding for finding in await store.check() if finding.stops_jobs]


async def test_a_beat_makes_no_table(surreal_url: str, make_migrated: Any) -> None:
    """A development server in memory is started anew under a live runner."""
    store = await make_migrated(surreal_url)
    await store.beat("r1")
    await store._connection.write("REMOVE TABLE sp00ky_runner;")
    with pytest.raises(SchemaError, match="sp00ky_runner"):
        await store.beat("r1")
    assert any(step.creates_table or "DEFINE TABLE" in step.statement for step in await store.migration())
    await store.migrate()
    assert "r1" in await store.beat("r1")


async def test_a_table_that_a_write_has_made_is_mended(surreal_url: str, make_migrated: Any) -> None:
    store = await make_migrated(surreal_url)
    await store._connection.write(
        "REMOVE TABLE sp00ky_runner; UPSERT sp00ky_runner:old SET documents = {}, beat_at = time::now();"
    )
    await store.migrate()
    assert await store.migration() == []
    assert await store.check() == []
    assert {"old", "r1"} <= (await store.beat("r1")).keys()
