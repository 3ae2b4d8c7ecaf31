"""Rows that the database refuses, and faults of the database itself: which is which, and what each costs."""

from __future__ import annotations

import logging
from typing import Any

import attrs
import pytest

from sp00ky_core.errors import RowRefused, SchemaError, StoreError, StoreUnavailable
from sp00ky_core.job import Job, JobStatus, NewJob
from sp00ky_core.machine import decide
from sp00ky_core.outcome import Delivered
from sp00ky_core.ports import JobQuery, JobTable, SettleFate, Settlement
from sp00ky_core.retry import RetryPolicy
from sp00ky_store_surreal import SurrealStore, claiming
from sp00ky_store_surreal.errors import Conflict, DuplicateKey, EngineFault, statement_error
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.layout import read_layout

NOT_RUN = "The query was not executed due to a failed transaction"
FSYNC = (
    "There was a problem with a datastore transaction: Log error: IO error: kind=other error, message=fsync"
)
COLLIDED = "Failed to commit transaction due to a read or write conflict. This transaction can be retried"

MESSAGES = {
    "disk": (f"{NOT_RUN}. {FSYNC} failed", EngineFault),
    "disk, bare": (f"{FSYNC} failed", EngineFault),
    "disk of a server": (
        "There was a problem with the key-value store: IO error: No space left",
        EngineFault,
    ),
    "database's timeout": ("The query was not executed because it exceeded the timeout", EngineFault),
    "collision": (f"{NOT_RUN}. {COLLIDED}", Conflict),
    "collision on a server": (
        "There was a problem with the key-value store: Transaction conflict: This transaction can be retried",
        Conflict,
    ),
    "collision at the end": (
        "Cannot COMMIT: Transaction conflict: Write conflict. This transaction can be retried",
        Conflict,
    ),
    "thrown": (f"An error occurred: {COLLIDED}", RowRefused),
    "thrown disk": (f"An error occurred: {FSYNC}", RowRefused),
    "thrown table": ("An error occurred: The table 'a' does not exist", RowRefused),
    "thrown in an event": (f"Error while processing event e: An error occurred: {COLLIDED}", RowRefused),
    "event's own row": (
        "Error while processing event e: Database index `u` already contains 'x'",
        RowRefused,
    ),
    "event's table": ("Error while processing event e: The table 'a' does not exist", RowRefused),
    "quoted collision": (f"Found '{COLLIDED}' for field `result`, with record `job:a`, but", RowRefused),
    "quoted disk": ("Found 'x: IO error: fsync failed' for field `result`, with record `job:a`", RowRefused),
    "quoted absence": ("Found 'The table \\'a\\' does not exist' for field `path`, with record", RowRefused),
    "coerced": ("Couldn't coerce value for field `path` of `job:a`: Expected `string`", RowRefused),
    "taken": ("Database index `u` already contains 'can be retried', with record `job:a`", DuplicateKey),
    "absent": ("The table 'job' does not exist", SchemaError),
}


def settlement_of(job: Job, event: Any) -> Settlement:
    transition = decide(job, event, RetryPolicy(base=0))
    return Settlement(job_id=job.id, backend="api", epoch=job.lease_epoch, transition=transition)


@pytest.mark.parametrize(("message", "kind"), MESSAGES.values(), ids=MESSAGES)
def test_an_error_is_told_by_the_engines_own_sentence(message: str, kind: type[StoreError]) -> None:
    results = [
        {"status": "OK", "result": None},
        {"status": "ERR", "result": NOT_RUN},
        {"status": "ERR", "result": message},
    ]
    assert type(statement_error("mem://", results)) is kind


def broken(store: SurrealStore, monkeypatch: pytest.MonkeyPatch, message: str) -> list[str]:
    """Writes fail with this message as long as the list has something; a full disk can't be had here."""
    sdk = store._connection._link.sdk
    real, failing = sdk.query_raw, ["yes"]

    async def query_raw(statement: str, bindings: dict[str, Any]) -> Any:
        if failing and ("UPDATE" in statement or "UPSERT" in statement):
            return {"result": [{"status": "ERR", "result": message}]}
        return await real(statement, bindings)

    monkeypatch.setattr(sdk, "query_raw", query_raw)
    return failing


@pytest.mark.parametrize("url", ["mem://"])  # a server's faults are its own
async def test_a_fault_of_the_engine_is_no_rows(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrated.add([NewJob(path=f"/{n}", backend="api") for n in range(3)])
    (job, _) = await migrated.claim({"api": 2}, "r")
    failing = broken(migrated, monkeypatch, f"{NOT_RUN}. {FSYNC} failed")
    with pytest.raises(StoreUnavailable, match="fsync"):
        await migrated.settle([settlement_of(job, Delivered(result="kept"))])
    with pytest.raises(StoreUnavailable, match="fsync"):
        await migrated.claim({"api": 5}, "r")
    failing.clear()
    assert len(await migrated.claim({"api": 5}, "r")) == 1
    (result,) = await migrated.settle([settlement_of(job, Delivered(result="kept"))])
    assert (result.fate, result.problem) == (SettleFate.SETTLED, None)
    assert (await migrated.get(job.id)).result == "kept"


async def test_a_row_that_is_refused_in_every_form_is_busy_and_said_once(
    migrated: SurrealStore, caplog: pytest.LogCaptureFixture
) -> None:
    await migrated._connection.write(
        "DEFINE EVENT hook ON TABLE job WHEN $after.path = '/bad' AND $after.status IN ['success', 'failed'] "
        "THEN { THROW 'the transaction can be retried: webhook is down' };"
    )
    await migrated.add([NewJob(path=path, backend="api") for path in ("/a", "/bad", "/b")])
    jobs = {job.path: job for job in await migrated.claim({"api": 3}, "r")}
    with caplog.at_level(logging.ERROR):
        results = await migrated.settle([settlement_of(job, Delivered()) for job in jobs.values()])
        again = await migrated.settle([settlement_of(jobs["/bad"], Delivered())])
    fates = {result.job_id: result.fate for result in results}
    assert {path: fates[job.id].value for path, job in jobs.items()} == {
        "/a": "settled",
        "/bad": "busy",
        "/b": "settled",
    }
    assert again[0].fate is SettleFate.BUSY
    assert "webhook is down" in (again[0].problem or "")
    assert caplog.text.count("can't be settled") == 1
    assert (await migrated.get(jobs["/bad"].id)).status is JobStatus.PROCESSING


@pytest.mark.parametrize("text", [COLLIDED, "The table 'a' does not exist", FSYNC])
async def test_a_refused_answer_is_left_out_whatever_it_says(migrated: SurrealStore, text: str) -> None:
    await migrated._connection.write(
        "DEFINE FIELD OVERWRITE result ON job TYPE option<string> ASSERT $value = NONE"
    )
    await migrated.add([NewJob(path="/a", backend="api")])
    (job,) = await migrated.claim({"api": 1}, "r")
    (result,) = await migrated.settle([settlement_of(job, Delivered(result=text))])
    assert (result.fate, (await migrated.get(job.id)).status) == (SettleFate.SETTLED, JobStatus.SUCCESS)


@pytest.mark.parametrize("url", ["mem://"])  # which row collides is made up here
async def test_one_row_that_keeps_colliding_holds_up_no_other(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrated.add([NewJob(path=f"/{n}", backend="api") for n in range(4)])
    jobs = await migrated.claim({"api": 4}, "r")
    sdk = migrated._connection._link.sdk
    real = sdk.query_raw

    async def query_raw(statement: str, bindings: dict[str, Any]) -> Any:
        if any(id_text(each["id"]) == jobs[1].id for each in bindings.get("plain", ())):
            return {"result": [{"status": "ERR", "result": f"{NOT_RUN}. {COLLIDED}"}]}
        return await real(statement, bindings)

    monkeypatch.setattr(sdk, "query_raw", query_raw)
    results = await migrated.settle([settlement_of(job, Delivered()) for job in jobs])
    assert [each.fate.value for each in results] == ["settled", "busy", "settled", "settled"]


async def test_a_row_that_cant_be_claimed_is_passed_over_for_a_while(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrated._connection.write(
        "DEFINE EVENT hook ON TABLE job WHEN $after.path = '/bad' AND $after.status = 'processing' "
        "THEN { THROW 'the account record does not exist in its table' };"
    )
    (bad,) = await migrated.add([NewJob(path="/bad", backend="api")])
    (good,) = await migrated.add([NewJob(path="/a", backend="api")])
    claimed = [job.id for _ in range(2) for job in await migrated.claim({"api": 1}, "r")]
    assert claimed == [good.id]
    await migrated._connection.write("REMOVE EVENT hook ON TABLE job")
    assert await migrated.claim({"api": 1}, "r") == []
    later = claiming.time.monotonic() + claiming.SKIP_REFUSED
    monkeypatch.setattr(claiming.time, "monotonic", lambda: later)
    assert [job.id for job in await migrated.claim({"api": 1}, "r")] == [bad.id]


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


async def written(store: SurrealStore, statement: str) -> None:
    """Write a hostile row, or skip where the database refuses it."""
    try:
        await store._connection.write(statement, nul="a\0b")
    except RowRefused as error:
        pytest.skip(f"the database refuses such a row: {error}")


@pytest.mark.parametrize("value", VALUES)
async def test_a_payload_of_any_type_costs_no_other_row(migrated: SurrealStore, value: str) -> None:
    # A table from before, or somebody else's: ours takes nothing but JSON.
    await migrated._connection.write("DEFINE FIELD OVERWRITE payload ON job TYPE any")
    await written(migrated, f"CREATE job:bad SET path = '/a', payload = {value} RETURN NONE")
    (good,) = await migrated.add([NewJob(path="/b", backend="api")])
    claimed = {job.id: job for job in await migrated.claim({"api": 5}, "r")}
    assert "payload" in (claimed["job:bad"].defect or "")
    assert claimed[good.id].defect is None
    assert {job.id for job in await migrated.find(JobQuery())} == {"job:bad", good.id}


@pytest.mark.parametrize(
    "column", ["path", "result", "runner_id", "traceparent", "assigned_to", "created_at"]
)
async def test_bytes_in_any_column_cost_no_other_row(migrated: SurrealStore, column: str) -> None:
    await migrated._connection.write(
        f"DEFINE FIELD OVERWRITE {column} ON job TYPE any; "
        f"CREATE job:bad SET path = '/a', payload = '{{}}', {column} = <bytes>'abc' RETURN NONE"
    )
    (good,) = await migrated.add([NewJob(path="/b", backend="api")])
    assert {job.id for job in await migrated.find(JobQuery())} == {"job:bad", good.id}
    assert good.id in {job.id for job in await migrated.claim({"api": 5}, "r")}


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


async def test_an_instant_beyond_the_calendar_in_errors_costs_no_other_row(migrated: SurrealStore) -> None:
    await migrated._connection.write(
        "CREATE job:bad SET path = '/a', payload = '{}', errors = [{ at: d'9999-12-31T00:00:00Z' + 5000y }, "
        "{ at: d'0000-01-01T00:00:00Z' }] RETURN NONE"
    )
    (good,) = await migrated.add([NewJob(path="/b", backend="api")])
    assert {job.id for job in await migrated.find(JobQuery())} == {"job:bad", good.id}
    assert {job.id for job in await migrated.claim({"api": 5}, "r")} == {"job:bad", good.id}


async def test_a_set_in_an_object_is_sent_as_a_list(migrated: SurrealStore) -> None:
    await migrated._connection.write("CREATE job:x SET path = '/a', payload = { a: [{ b: <set>[1, 2] }] }")
    (job,) = await migrated.claim({"api": 5}, "r")
    assert (job.payload, job.defect) == ({"a": [{"b": [1, 2]}]}, None)


@pytest.mark.parametrize(
    "fields",
    [
        "assigned_to = thread:[<set>[1], d'9999-12-31T00:00:00Z' + 5000y]",
        "assigned_to = thread:{ a: <set>['x'] }",
        "errors = [{ a: <set>[1], b: [<set>[{ c: 1 }]], d: d'9999-12-31T00:00:00Z' + 5000y }]",
    ],
)
async def test_values_that_python_has_no_form_for_cost_no_other_row(
    migrated: SurrealStore, fields: str
) -> None:
    await written(migrated, f"CREATE job:bad SET path = '/a', payload = '{{}}', {fields} RETURN NONE")
    (good,) = await migrated.add([NewJob(path="/b", backend="api")])
    assert {job.id for job in await migrated.claim({"api": 5}, "r")} == {"job:bad", good.id}
    assert {job.id for job in await migrated.find(JobQuery())} == {"job:bad", good.id}
    (fate,) = await migrated.kill(["job:bad"])
    assert fate.fate == "killed"


async def test_an_object_in_payload_is_kept(migrated: SurrealStore) -> None:
    await migrated._connection.write("CREATE job:x SET path = '/a', payload = { a: { b: [{ c: 1 }] } }")
    assert (await migrated.get("job:x")).payload == {"a": {"b": [{"c": 1}]}}


@pytest.mark.parametrize("url", ["mem://"])
async def test_a_table_that_empties_objects_is_told_and_repaired(spec_store: SurrealStore) -> None:
    if not (await read_layout(spec_store._connection, ["job"]))["job"].is_older:
        pytest.skip("the embedded engine is 3.x, which keeps an object in `any`")
    found = [each for each in await spec_store.check() if each.subject == "job.payload"]
    assert ["stored empty" in each.consequence for each in found] == [True]
    await spec_store.migrate(repair=True)
    assert [each for each in await spec_store.check() if each.subject == "job.payload"] == []
    await spec_store._connection.write(
        "CREATE job:x SET path = '/a', assigned_to = thread:a, payload = { a: { b: 1 } }"
    )
    assert (await spec_store.get("job:x")).payload == {"a": {"b": 1}}


async def test_a_claim_whose_lease_ran_out_is_not_given_back(migrated: SurrealStore) -> None:
    await migrated.add([NewJob(path="/a", backend="api") for _ in range(2)])
    late, other = await migrated.claim({"api": 2}, "r")
    await migrated._connection.write(
        "LET $row = <record>$id; UPDATE $row SET lease_until = time::now() - 1s", id=late.id
    )
    assert await migrated.release("r", keep=()) == [other.id]
    assert (await migrated.get(late.id)).status is JobStatus.PROCESSING


async def refuse(store: SurrealStore, what: str) -> None:
    await store._connection.write(
        f"DEFINE EVENT hook ON TABLE job WHEN $before.path = '/bad' AND {what} THEN {{ THROW 'not so' }};"
    )


async def test_a_row_that_cant_be_released_holds_up_no_other(
    migrated: SurrealStore, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = await migrated.add([NewJob(path=path, backend="api") for path in ("/a", "/bad", "/b", "/c")])
    await migrated.claim({"api": 4}, "r")
    await refuse(migrated, "$after.status = 'pending'")
    assert set(await migrated.release("r", keep=())) == {job.id for job in jobs if job.path != "/bad"}
    assert "can't be released" in caplog.text


async def test_a_row_that_cant_be_deleted_holds_up_no_other(
    migrated: SurrealStore, caplog: pytest.LogCaptureFixture
) -> None:
    paths = ("/a", "/bad", "/b", "/c")
    jobs = await migrated.add([NewJob(path=path, backend="api") for path in paths])
    claimed = await migrated.claim({"api": 4}, "r")
    await migrated.settle([settlement_of(job, Delivered()) for job in claimed])
    await refuse(migrated, "$event = 'DELETE'")
    bad = next(job for job in jobs if job.path == "/bad")
    cleared = await migrated.clear([jobs[0].id, bad.id])
    assert [each.fate.value for each in cleared] == ["cleared", "illegal"]
    table = JobTable(backend="api", table="job", keep_success=0.0)
    migrated._upkeep = attrs.evolve(migrated._upkeep, tables=(table,))
    assert await migrated.prune() == 2
    assert [job.id for job in await migrated.find(JobQuery())] == [bad.id]
    assert "can't be deleted" in caplog.text
