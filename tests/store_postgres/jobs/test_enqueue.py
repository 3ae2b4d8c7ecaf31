"""What is returned for an enqueue is what is stored, whatever triggers and defaults a table has."""

from typing import Any

import pytest

from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import JobQuery
from sp00ky_store_postgres import PostgresStore

DROPPED = "IF new.path = '/dropped' THEN RETURN NULL; END IF; RETURN new;"

RENAMED = "IF new.path = '/renamed' THEN new.id = gen_random_uuid(); END IF; RETURN new;"


async def changing(sql: Any, quoted: str, body: str) -> None:
    """A trigger before each INSERT of a job."""
    await sql.execute(
        f"CREATE FUNCTION {quoted}.change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
        f"CREATE TRIGGER change BEFORE INSERT ON {quoted}.job FOR EACH ROW EXECUTE FUNCTION {quoted}.change()"
    )


BATCHES: dict[str, list[dict[str, Any]]] = {
    "one": [{}],
    "one with options": [{"max_retries": 1}],
    "plain": [{}, {"path": "/kept"}, {}],
    "options": [{"max_retries": 1}, {"path": "/kept"}, {}],
    "keys": [{}, {"path": "/kept", "dedup_key": "k"}],
}

OTHER_DEFAULTS = """
    ALTER COLUMN status SET DEFAULT 'success', ALTER COLUMN retries SET DEFAULT 2,
    ALTER COLUMN max_retries SET DEFAULT 10, ALTER COLUMN retry_strategy SET DEFAULT 'exponential',
    ALTER COLUMN timeout SET DEFAULT 9, ALTER COLUMN assigned_to SET DEFAULT 'nobody',
    ALTER COLUMN errors SET DEFAULT '[{}]', ALTER COLUMN result SET DEFAULT 'true',
    ALTER COLUMN dedup_key SET DEFAULT 'k', ALTER COLUMN traceparent SET DEFAULT 't',
    ALTER COLUMN run_at SET DEFAULT now() + interval '1 day', ALTER COLUMN lease_epoch SET DEFAULT 7,
    ALTER COLUMN lease_until SET DEFAULT now(), ALTER COLUMN runner_id SET DEFAULT 'r'
"""


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("changed", [("/dropped", DROPPED), ("/renamed", RENAMED)], ids=["drop", "rename"])
async def test_what_a_trigger_changes_is_refused_at_once_and_leaves_nothing(
    store: PostgresStore, new_job: Any, sql: Any, quoted: str, batch: Any, changed: tuple[str, str]
) -> None:
    path, body = changed
    await changing(sql, quoted, body)
    with pytest.raises(RowRefused, match="a trigger or a rule of the table drops"):
        await store.add([new_job(**{"path": path, **fields}) for fields in batch])
    assert await store.find(JobQuery()) == []


@pytest.mark.parametrize(
    "batch", [[{}], [{"max_retries": 1}], [{}, {}], [{"max_retries": 1}, {"dedup_key": "a"}]], ids=str
)
async def test_what_was_asked_for_is_stored_whatever_the_columns_defaults_are(
    store: PostgresStore, new_job: Any, sql: Any, quoted: str, batch: Any
) -> None:
    await sql.execute(f"ALTER TABLE {quoted}.job {OTHER_DEFAULTS}")
    added = await store.add([new_job(**fields) for fields in batch])
    assert {job.id: job for job in added} == {job.id: job for job in await store.find(JobQuery())}
    assert [job.max_retries for job in added] == [fields.get("max_retries", 3) for fields in batch]
    assert all(job.run_at is not None and job.created_at is not None for job in added)
    assert all(abs((job.run_at - job.created_at).total_seconds()) < 3600 for job in added)
