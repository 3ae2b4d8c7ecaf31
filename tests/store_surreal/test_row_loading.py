"""Values that Python or JSON has no form for, in any column: none of them costs another row."""

import re
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.errors import RowRefused
from sp00ky_core.job.job import Job, JobStatus, NewJob
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobQuery, SettleFate
from sp00ky_core.stores.transitions import kill
from sp00ky_store_surreal import SurrealStore, rows
from sp00ky_store_surreal.connection import cbor
from sp00ky_store_surreal.errors import ReplyUnreadable
from sp00ky_store_surreal.surql import loader

VALUES = (
    *(
        "<bytes>'abc'",
        "<bytes>'{}'",
        "[<bytes>'abc']",
        "[$nul, <bytes>'x']",
        "|$a: int| $a",
        "1..3",
        "(1.0, 2.0)",
    ),
    *(
        "thread:abc",
        "thread:1..3",
        "1.5dec",
        "time::now()",
        "d'9999-12-31T00:00:00Z' + 5000y",
        "rand::uuid()",
    ),
    *("<set>[1, 2]", "[<set>[{ a: 1 }]]", "[{ a: [<regex>'a{1,2}'] }]", "[thread:[<set>[1]]]"),
    *("1h", "<regex>'a'", "type::table('x')", "true", "[]", "NULL"),
)


async def written(store: SurrealStore, statement: str) -> bool:
    """Write a hostile row; False where the database refuses it, as some versions do: then nothing is left."""
    try:
        await store._connection.write(statement, nul="a\0b")
    except RowRefused:
        assert await store.find(JobQuery()) == []
        return False
    return True


async def claimed(store: SurrealStore) -> dict[str, Job]:
    """What a runner gets: a claim whose reply can't be read is given back, and the next one asks for less."""
    for _ in range(2):
        try:
            return {job.id: job for job in await store.claim({"api": 5}, "r")}
        except ReplyUnreadable:
            await store.release("r", keep=())
    return {job.id: job for job in await store.claim({"api": 5}, "r")}


@pytest.mark.parametrize("value", VALUES)
async def test_a_payload_of_any_type_costs_no_other_row(migrated: SurrealStore, value: str) -> None:
    # A table from before, or somebody else's: ours takes nothing but JSON.
    await migrated._connection.write("DEFINE FIELD OVERWRITE payload ON job TYPE any")
    if not await written(migrated, f"CREATE job:bad SET path = '/a', payload = {value} RETURN NONE"):
        return
    (good,) = await migrated.add([NewJob(path="/b", backend="api")])
    jobs = await claimed(migrated)
    assert "payload" in (jobs["job:bad"].defect or "")
    assert jobs[good.id].defect is None
    assert {job.id for job in await migrated.find(JobQuery())} == {"job:bad", good.id}


NESTED = "array::fold(array::range(0, 220), 1, |$a, $b| <set>[$a])"
"""As deep as a database takes it; in a reply each of these sets is several values in each other."""


async def test_a_reply_that_is_beyond_decoding_fails_its_call_alone(
    shared: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cbor, "DEEPEST", 100)
    if not await written(shared, f"CREATE job:bad SET path = '/a', payload = {NESTED} RETURN NONE"):
        return
    (good,) = await shared.add([NewJob(path="/b", backend="api")])
    with pytest.raises(ReplyUnreadable):
        await shared.claim({"api": 5}, "r")
    await shared.release("r", keep=())
    assert good.id in await claimed(shared)


@pytest.mark.parametrize("url", ["mem://"])  # what can't be read is made up here
async def test_a_row_that_cant_be_read_at_all_can_still_be_ended(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrated._connection.write("CREATE job:bad SET path = '/a', payload = 5 RETURN NONE")
    sdk = migrated._connection._link.sdk
    real = sdk.query_raw

    async def query_raw(statement: str, bindings: dict[str, Any]) -> Any:
        if "payload" in statement and "SELECT" in statement and "record_id='bad'" in str(bindings):
            return {"result": [{"status": "ERR", "result": "Expected a string but cannot convert it"}]}
        return await real(statement, bindings)

    monkeypatch.setattr(sdk, "query_raw", query_raw)
    (good,) = await migrated.add([NewJob(path="/b", backend="api")])
    jobs = {job.id: job for job in await migrated.find(JobQuery())}
    assert jobs.keys() == {"job:bad", good.id}
    assert "can't be read" in (jobs["job:bad"].defect or "")
    assert jobs["job:bad"].status is JobStatus.PENDING
    bad = {job.id: job for job in await migrated.claim({"api": 5}, "r")}["job:bad"]
    (result,) = await migrated.settle([settlement(bad, Delivered())])
    assert result.fate is SettleFate.SETTLED


@pytest.mark.parametrize(
    "fields",
    [
        "assigned_to = thread:[<set>[1], d'9999-12-31T00:00:00Z' + 5000y]",
        "assigned_to = thread:{ a: <set>['x'] }",
        "errors = [{ a: <set>[1], b: [<set>[{ c: 1 }]], d: d'9999-12-31T00:00:00Z' + 5000y }]",
        "errors = [{ a: <regex>'a' }]",
    ],
)
async def test_values_that_python_has_no_form_for_cost_no_other_row(
    migrated: SurrealStore, fields: str
) -> None:
    if not await written(migrated, f"CREATE job:bad SET path = '/a', payload = '{{}}', {fields} RETURN NONE"):
        return
    (good,) = await migrated.add([NewJob(path="/b", backend="api")])
    assert (await claimed(migrated)).keys() == {"job:bad", good.id}
    assert {job.id for job in await migrated.find(JobQuery())} == {"job:bad", good.id}
    (fate,) = await kill(migrated, ["job:bad"])
    assert fate.fate == "killed"


@pytest.mark.parametrize(
    "file",
    sorted(Path(str(files("sp00ky_store_surreal") / "surql")).rglob("*.surql")),
    ids=lambda file: file.name,
)
def test_no_statement_asks_the_clock_twice_for_one_difference(file: Path) -> None:
    """A duration can't be negative: it would fail the statement, between whose two looks time goes on."""
    assert not re.search(r"- time::now\(\)|time::now\(\) - [^1<]", file.read_text())


Meddle = Callable[[SurrealStore], Awaitable[object]]


async def _pending(store: SurrealStore) -> None:
    await store._connection.write("UPDATE job:bad SET status = 'pending' RETURN NONE")


async def _taken(store: SurrealStore) -> None:
    await store._connection.write("UPDATE job:bad SET runner_id = 's', lease_epoch += 1 RETURN NONE")


async def _taken_again(store: SurrealStore) -> None:
    await store._connection.write("UPDATE job:bad SET lease_epoch += 1 RETURN NONE")


MEDDLING: dict[str, Meddle] = {
    "released": lambda store: store.release("r", keep=()),
    "pending": _pending,
    "another's": _taken,
    "claimed again": _taken_again,
    "deleted": lambda store: store._connection.write("DELETE job:bad RETURN NONE"),
}


def meddle_before_loading(store: SurrealStore, monkeypatch: pytest.MonkeyPatch, meddle: Meddle) -> list[str]:
    """Let a row change between its claim and its loading with care; what was loaded so."""
    real, loaded = store._connection.read, list[str]()

    async def read(statement: str, **bindings: Any) -> list[Any]:
        if "ids" in bindings and "FROM $ids" in statement and not loaded:
            loaded.append(statement)
            await meddle(store)
        return await real(statement, **bindings)

    monkeypatch.setattr(store._connection, "read", read)
    return loaded


async def _odd(store: SurrealStore) -> None:
    await store._connection.write("CREATE job:bad SET path = '/a', payload = { a: 1 } RETURN NONE")


async def _unfit(store: SurrealStore) -> None:
    await store._connection.write(
        "CREATE job:bad SET path = '/a', payload = {}, traceparent = $nul RETURN NONE", nul="\0"
    )


async def _singly(store: SurrealStore) -> None:
    await _odd(store)
    for _ in range(2):
        store._claims._care.raise_it()


async def _probing(store: SurrealStore) -> None:
    await _odd(store)
    await store._connection.write(
        "CREATE sp00ky_breaker:api SET backend = 'api', state = 'open', failures = 5 RETURN NONE"
    )


WAYS: dict[str, Meddle] = {"odd": _odd, "unfit": _unfit, "singly": _singly, "probing": _probing}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("meddling", MEDDLING)
async def test_a_row_that_is_the_claims_no_more_when_it_is_loaded_is_no_job_of_it(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch, meddling: str, way: str
) -> None:
    await WAYS[way](migrated)
    loaded = meddle_before_loading(migrated, monkeypatch, MEDDLING[meddling])
    assert await migrated.claim({"api": 5}, "r") == []
    assert loaded


async def test_a_long_field_of_a_users_own_stays_in_the_database(migrated: SurrealStore) -> None:
    await migrated._connection.write("DEFINE FIELD note ON job TYPE option<string>")
    (job,) = await migrated.add([NewJob(backend="api", path="/a", payload={"a": 1})])
    await migrated._connection.write("UPDATE job SET note = $note RETURN NONE", note="x" * 5_000_000)
    ids = (await migrated._connection.read("SELECT VALUE id FROM job"))[-1]
    bindings = {"ids0": ids, **loader.NUL, **rows.LISTED.bindings()}
    reply = await migrated._connection.read(loader.surql("load_jobs", n="0"), **bindings)
    assert [set(row) for row in reply[-1]] == [{"id", "lease_epoch"}]
    assert [found.payload for found in await migrated.find(JobQuery())] == [{"a": 1}]
    assert (await migrated.get(job.id)).payload == {"a": 1}
