"""Rows that the database refuses, and faults of the database itself: which is which, and what each costs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from sp00ky_core.errors import RowRefused, SchemaError, StoreError, StoreUnavailable
from sp00ky_core.job import Job, JobStatus, NewJob
from sp00ky_core.machine import decide
from sp00ky_core.outcome import Delivered
from sp00ky_core.ports import JobQuery, JobTable, SettleFate, Settlement
from sp00ky_core.retry import RetryPolicy
from sp00ky_store_surreal import SurrealStore, claiming, readiness
from sp00ky_store_surreal.errors import (
    Conflict,
    DuplicateKey,
    EngineFault,
    TableMissing,
    reason_of,
    statement_error,
)
from sp00ky_store_surreal.ids import id_text

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
    "absent": ("The table 'job' does not exist", TableMissing),
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


@pytest.mark.parametrize(
    "words",
    [
        "The table 'tenant' does not exist",
        "Function 'time::now' is not allowed to be executed",
        "IAM error: Not enough permissions to perform this action",
    ],
)
def test_a_reason_is_the_databases_own_words(words: str) -> None:
    error = statement_error("mem://", [{"status": "ERR", "result": words}])
    assert error is not None
    assert (reason_of(error), error.problem != words) == (words, True)


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


async def test_what_was_written_instead_is_told(migrated: SurrealStore) -> None:
    await migrated._connection.write(
        "DEFINE EVENT hook ON TABLE job WHEN $event = 'UPDATE' AND $after.status = 'success' "
        "THEN { THROW 'no success' };"
    )
    await migrated.add([NewJob(path="/a", backend="api")])
    (job,) = await migrated.claim({"api": 1}, "r")
    (result,) = await migrated.settle([settlement_of(job, Delivered())])
    assert result.written is not None
    assert (await migrated.get(job.id)).status is result.written.to is JobStatus.FAILED


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
        delivered = [row for ids, *_ in bindings.get("delivered", ()) for row in ids]
        if any(id_text(each) == jobs[1].id for each in delivered):
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


async def test_a_table_that_goes_away_stops_no_other_backend(
    make_store: Callable[..., SurrealStore],
    surreal_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(readiness, "LOOK_AGAIN", 3_600.0)
    tables = [JobTable(backend=each, table=each, keep_success=0.0) for each in ("api", "mail")]
    store = make_store(surreal_url, tuple(tables))
    await store.open()
    await store.migrate()
    await store.add([NewJob(path="/a", backend=each.backend) for each in tables])
    held = await store.claim({"api": 5, "mail": 5}, "r")
    await store._connection.write("REMOVE TABLE mail")
    await store.add([NewJob(path="/b", backend="api")])
    assert await store.release("r", keep=[job.id for job in held]) == []  # it is what a runner does then
    assert [job.path for job in await store.claim({"api": 5, "mail": 5}, "r")] == ["/b"]
    fates = await store.settle([settlement_of(job, Delivered()) for job in held])
    assert {job.backend: each.fate.value for job, each in zip(held, fates, strict=True)} == {
        "api": "settled",
        "mail": "lease_lost",
    }
    assert await store.next_due(["api", "mail"]) is None
    assert await store.reclaim({}) == []
    assert await store.prune() == 1
    assert [each.message for each in caplog.records if "table 'mail' is gone" in each.message] != []
    with pytest.raises(SchemaError, match="'mail' does not exist; run: sp00ky migrate"):
        await store.claim({"mail": 5}, "r")
    await store.migrate()
    await store.add([NewJob(path="/c", backend="mail")])
    assert [job.path for job in await store.claim({"api": 5, "mail": 5}, "r")] == ["/c"]
    await store.close()


async def test_a_table_that_another_process_migrated_again_is_served(
    make_store: Callable[..., SurrealStore], surreal_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "LOOK_AGAIN", 0.0)
    store, other = make_store(surreal_url), make_store(surreal_url)
    for each in (store, other):
        await each.open()
        await each.migrate()
    assert await store.claim({"api": 5}, "r") == []
    await other._connection.write("REMOVE TABLE job")
    for _ in range(2):
        with pytest.raises(SchemaError, match="'job' does not exist; run: sp00ky migrate"):
            await store.claim({"api": 5}, "r")
    await other.migrate()
    await other.add([NewJob(path="/a", backend="api")])
    assert [job.path for job in await store.claim({"api": 5}, "r")] == ["/a"]
    await store.close()
    await other.close()
