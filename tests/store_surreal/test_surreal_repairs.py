"""What migrate --repair changes of a table that was there, and that it keeps all the rest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sp00ky_core.errors import RowRefused
from sp00ky_core.job import NewJob
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.clauses import clauses_of
from sp00ky_store_surreal.layout import read_layout


async def is_older(store: SurrealStore) -> bool:
    """Whether it is an engine before 3.0."""
    return (await read_layout(store._connection, ["job"]))["job"].is_older


async def fields_of(store: SurrealStore, table: str = "job") -> dict[str, str]:
    (info,) = await store._connection.read(f"INFO FOR TABLE {table}")
    return dict(info["fields"])


async def test_repair_mends_them_and_keeps_permissions(spec_store: SurrealStore) -> None:
    before = await fields_of(spec_store)
    steps = await spec_store.migrate(repair=True)
    assert len(steps) == 4
    assert all(step.why for step in steps)
    assert await spec_store.check() == []
    after = await fields_of(spec_store)
    same = "WHERE true" if await is_older(spec_store) else "FULL"
    for name in ("payload", "created_at", "assigned_to"):
        kept = before[name].partition("PERMISSIONS")[2]
        looked_up = name != "payload"
        kept = kept.replace("WHERE true", same) if looked_up else kept
        assert after[name].partition("PERMISSIONS")[2] == kept
    assert await spec_store.migrate(repair=True) == []


async def test_repair_allows_a_plugins_strategies(
    make_store: Callable[..., SurrealStore], spec_schema: str
) -> None:
    table = JobTable(backend="api", table="job", strategies=frozenset({"linear", "exponential", "fibonacci"}))
    store = make_store(tables=(table,))
    await store.open()
    await store._connection.write(spec_schema)
    await store.migrate()
    new_job = NewJob(path="/a", backend="api", retry_strategy="fibonacci", assigned_to="thread:a")
    with pytest.raises(RowRefused, match="fibonacci"):
        await store.add([new_job])
    await store.migrate(repair=True)
    (job,) = await store.add([new_job])
    assert job.retry_strategy == "fibonacci"
    await store.close()


@pytest.mark.parametrize(
    ("definition", "clauses"),
    [
        ("DEFINE FIELD a ON j PERMISSIONS FULL", {"PERMISSIONS": "FULL"}),
        (
            "DEFINE FIELD a ON j FLEXIBLE TYPE option<object> READONLY COMMENT 'a TYPE is PERMISSIONS NONE'",
            {
                "FLEXIBLE": "",
                "TYPE": "option<object>",
                "READONLY": "",
                "COMMENT": "'a TYPE is PERMISSIONS NONE'",
            },
        ),
        (
            'DEFINE FIELD a ON j VALUE (SELECT VALUE id FROM t) ASSERT $value != "a \'VALUE" OR { TYPE: 1 }',
            {"VALUE": "(SELECT VALUE id FROM t)", "ASSERT": '$value != "a \'VALUE" OR { TYPE: 1 }'},
        ),
        (
            "DEFINE FIELD a ON j TYPE record<t> DEFAULT t:VALUE ASSERT $VALUE.TYPE = `TYPE ` REFERENCE UNSET",
            {
                "TYPE": "record<t>",
                "DEFAULT": "t:VALUE",
                "ASSERT": "$VALUE.TYPE = `TYPE `",
                "REFERENCE": "UNSET",
            },
        ),
    ],
)
def test_a_definition_is_taken_apart_at_its_clauses(definition: str, clauses: dict[str, str]) -> None:
    assert clauses_of(definition) == clauses


OWN = {
    "assigned_to": (
        "TYPE record<thread> DEFAULT thread:t ASSERT $value.id != NONE COMMENT 'whose TYPE'",
        "TYPE record<thread>",
    ),
    "retry_strategy": (
        "TYPE string DEFAULT 'own' ASSERT $value IN ['exponential', 'own'] AND $value != '' COMMENT 'how'",
        "ASSERT $value",
    ),
    "created_at": (
        "TYPE datetime VALUE time::now() ASSERT $value > d'2020-01-01T00:00:00Z' COMMENT 'since'",
        "VALUE time::now()",
    ),
    "payload": ("TYPE any DEFAULT '{}' COMMENT 'what' PERMISSIONS FOR update NONE", "TYPE any"),
}
"""Definitions of a user's, and what of each can't stay."""


@pytest.mark.parametrize(("field", "own", "gone"), [(key, *value) for key, value in OWN.items()], ids=OWN)
async def test_repair_changes_what_is_weak_and_shows_it(
    migrated: SurrealStore, field: str, own: str, gone: str
) -> None:
    if field == "payload" and not await is_older(migrated):
        pytest.skip("any keeps objects from 3.0 on")
    await migrated._connection.write(f"DEFINE TABLE thread; DEFINE FIELD OVERWRITE {field} ON job {own}")
    before = clauses_of((await fields_of(migrated))[field])
    (step,) = await migrated.migrate(repair=True)
    after = clauses_of((await fields_of(migrated))[field])
    changed = {each for each in before if before[each] != after.get(each)}
    assert changed == {gone.partition(" ")[0]}
    assert f"(instead of {gone}" in step.why
    assert (await migrated.check(), await migrated.migration(repair=True)) == ([], [])


async def test_repair_adds_to_the_strategies_that_a_table_allows(migrated: SurrealStore) -> None:
    definition = OWN["retry_strategy"][0]
    await migrated._connection.write(f"DEFINE FIELD OVERWRITE retry_strategy ON job {definition}")
    await migrated.migrate(repair=True)
    for each in ("linear", "exponential"):
        await migrated.add([NewJob(path="/a", backend="api", retry_strategy=each)])
    await migrated._connection.write("CREATE job:own SET path = '/b', payload = '{}'")
    assert (await migrated.get("job:own")).retry_strategy == "own"


async def test_repair_of_an_assert_that_has_no_list_says_what_goes(migrated: SurrealStore) -> None:
    await migrated._connection.write(
        "DEFINE FIELD OVERWRITE retry_strategy ON job TYPE string DEFAULT 'linear' ASSERT $value = 'linear'"
    )
    (step,) = await migrated.migrate(repair=True)
    assert "(instead of ASSERT $value = 'linear')" in step.why
    assert clauses_of((await fields_of(migrated))["retry_strategy"])["DEFAULT"] == "'linear'"
    assert await migrated.check() == []


async def test_repair_keeps_a_reference(migrated: SurrealStore) -> None:
    if await is_older(migrated):
        pytest.skip("references are experimental before 3.0")
    await migrated._connection.write(
        "DEFINE FIELD OVERWRITE assigned_to ON job TYPE record<thread> REFERENCE ON DELETE CASCADE"
    )
    await migrated.migrate(repair=True)
    kept = clauses_of((await fields_of(migrated))["assigned_to"])
    assert kept["REFERENCE"] == "ON DELETE CASCADE"
    assert await migrated.check() == []
