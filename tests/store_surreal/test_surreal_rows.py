"""Rows that clients may have written, ids of every kind, rows that the database refuses."""

from __future__ import annotations

from uuid import UUID

import pytest
from surrealdb import RecordID

from sp00ky_core.errors import OptionInvalid, RowRefused
from sp00ky_core.job import JobStatus, NewJob
from sp00ky_core.machine import decide
from sp00ky_core.outcome import INVALID_ROW, Delivered, Undelivered
from sp00ky_core.ports import JobQuery, Settlement
from sp00ky_core.retry import RetryPolicy
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.ids import id_text, id_value

SOUND = "path: '/a', payload: '{}'"


def settlement_of(job, event):  # type: ignore[no-untyped-def]  # a test's shorthand
    transition = decide(job, event, RetryPolicy(base=0))
    return Settlement(job_id=job.id, backend="api", epoch=job.lease_epoch, transition=transition)


KEYS = {
    "text": "job:abc",
    "digits": "job:⟨123⟩",
    "number": "job:123",
    "negative": "job:-5",
    "space": "job:⟨a b⟩",
    "bracket": "job:⟨a\\⟩b⟩",
    "backslash": "job:⟨a\\\\b⟩",
    "uuid": "job:u'119f01b0-50a1-4c56-961e-ef8099b16e9d'",
    "array": "job:['a', 1]",
    "instant": "job:[d'2024-01-01T00:00:00.123456789Z', thread:a]",
    "object": "job:{ a: 1, b: 'x' }",
    "empty": "job:⟨⟩",
    "quotes": "job:⟨'\"⟩",
}


@pytest.mark.parametrize("job_id", KEYS.values(), ids=KEYS)
async def test_an_id_of_any_kind_goes_all_the_way(migrated: SurrealStore, job_id: str) -> None:
    await migrated._connection.write(
        f"LET $id = <record>$id; CREATE $id CONTENT {{ {SOUND} }}", id=id_value(job_id)
    )
    (other,) = await migrated.add([NewJob(path="/b", backend="api")])
    claimed = await migrated.claim({"api": 5}, "r")
    assert {job.id for job in claimed} == {job_id, other.id}
    assert [
        each.fate for each in await migrated.settle([settlement_of(job, Delivered()) for job in claimed])
    ] == [
        "settled",
        "settled",
    ]
    assert (await migrated.get(job_id)).status is JobStatus.SUCCESS
    assert [each.fate for each in await migrated.clear([job_id])] == ["cleared"]
    assert [job.id for job in await migrated.find(JobQuery())] == [other.id]


async def test_a_released_job_of_any_kind_is_named(migrated: SurrealStore) -> None:
    job_id = KEYS["instant"]
    await migrated._connection.write(
        f"LET $id = <record>$text; CREATE $id CONTENT {{ {SOUND} }}", text=job_id
    )
    await migrated.claim({"api": 5}, "r")
    assert await migrated.release("r", keep=[job_id]) == []
    assert await migrated.release("r", keep=[]) == [job_id]


@pytest.mark.parametrize(
    "text", ["job:1..5", "job:['a']..['b']", "job:[rand()]", "job", "", ":a", "job:[1", "nope:a"]
)
async def test_what_is_no_id_names_nothing(migrated: SurrealStore, text: str) -> None:
    (job,) = await migrated.add([NewJob(path="/a", backend="api")])
    assert [each.fate for each in await migrated.kill([text])] == ["not_found"]
    assert [each.fate for each in await migrated.clear([text])] == ["not_found"]
    assert (await migrated.get(job.id)).status is JobStatus.PENDING


@pytest.mark.parametrize(
    "key",
    [
        "a",
        "1",
        "01",
        "é",
        "a b",
        "",
        "⟨",
        "a\\",
        "`x`",
        "u'x'",
        "[1]",
        "a\0b",
        "a:b",
        5,
        -(2**63),
        UUID(int=7),
    ],
)
def test_ids_round_trip(key: object) -> None:
    record = RecordID("job", key)
    assert id_value(id_text(record)) == record


HOSTILE = {
    "NUL in the key": ("CREATE $id CONTENT { path: '/a', payload: '{}' }", "NUL"),
    "payload a nested object with NUL": ("CREATE job:x CONTENT { path: '/a', payload: { a: $nul } }", None),
    "payload missing": ("CREATE job:x CONTENT { path: '/a' }", "payload"),
    "payload a number": ("CREATE job:x CONTENT { path: '/a', payload: 5 }", "payload"),
    "payload with NUL": ("CREATE job:x CONTENT { path: '/a', payload: $nul }", "payload"),
    "absurd run_at": (
        "CREATE job:x CONTENT { path: '/a', payload: '{}', run_at: d'2000-01-01T00:00:00Z' - 5000y }",
        None,
    ),
    "absurd created_at": (
        "CREATE job:x CONTENT { path: '/a', payload: '{}', created_at: d'2000-01-01T00:00:00Z' + 200000y }",
        None,
    ),
    "errors with NUL": ("CREATE job:x CONTENT { path: '/a', payload: '{}', errors: [{ name: $nul }] }", None),
    "absurd epoch": (
        "CREATE job:x CONTENT { path: '/a', payload: '{}', lease_epoch: 9223372036854775807 }",
        None,
    ),
    "parent with NUL": ("CREATE job:x CONTENT { path: '/a', payload: '{}', assigned_to: $parent }", "NUL"),
    "trace with NUL": ("CREATE job:x CONTENT { path: '/a', payload: '{}', traceparent: $nul }", "NUL"),
}


@pytest.mark.parametrize(("statement", "word"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_row_costs_no_other(migrated: SurrealStore, statement: str, word: str | None) -> None:
    bound = {"id": RecordID("job", "a\0b"), "nul": "a\0b", "parent": RecordID("thread", "a\0b")}
    try:
        await migrated._connection.write(f"{statement} RETURN NONE", **bound)
    except RowRefused as error:
        pytest.skip(f"the database refuses such a row: {error}")
    (good,) = await migrated.add([NewJob(path="/b", backend="api")])
    claimed = {job.id: job for job in await migrated.claim({"api": 5}, "r")}
    bad = next(job for job in claimed.values() if job.id != good.id)
    assert len(claimed) == 2
    if word:
        assert word in (bad.defect or "")
    failed = settlement_of(bad, Undelivered(name=INVALID_ROW, reason="no"))
    fates = [
        each.fate for each in await migrated.settle([failed, settlement_of(claimed[good.id], Delivered())])
    ]
    assert fates == ["settled", "settled"]
    listed = {job.id: job.status for job in await migrated.find(JobQuery())}
    assert listed == {bad.id: JobStatus.FAILED, good.id: JobStatus.SUCCESS}
    assert (await migrated.stats())["api"].failed == 1
    assert [each.fate for each in await migrated.clear([bad.id])] == ["cleared"]


async def test_a_row_that_nobody_can_write_is_passed_over(
    migrated: SurrealStore, caplog: pytest.LogCaptureFixture
) -> None:
    await migrated._connection.write(
        f"CREATE job:stuck CONTENT {{ {SOUND} }}; "
        "DEFINE FIELD note ON job TYPE option<string> ASSERT record::id($this.id) != 'stuck';"
        "DEFINE FIELD OVERWRITE max_retries ON job TYPE int ASSERT $this.path != '/a';"
    )
    (good,) = await migrated.add([NewJob(path="/b", backend="api")])
    for _ in range(2):
        assert [job.id for job in await migrated.claim({"api": 5}, "r")] in ([good.id], [])
    assert (await migrated.get(good.id)).status is JobStatus.PROCESSING
    assert "job:stuck" in caplog.text


async def test_a_refused_result_is_left_out_and_the_batch_goes_on(migrated: SurrealStore) -> None:
    await migrated._connection.write(
        "DEFINE FIELD OVERWRITE result ON job TYPE option<string> "
        "ASSERT $value = NONE OR string::len($value) < 20"
    )
    await migrated.add([NewJob(path=f"/{n}", backend="api") for n in range(5)])
    jobs = await migrated.claim({"api": 5}, "r")
    events = [Delivered(result="x" * (50 if n == 2 else 2)) for n in range(5)]
    results = await migrated.settle([settlement_of(*pair) for pair in zip(jobs, events, strict=True)])
    assert {each.fate for each in results} == {"settled"}
    assert [bool(each.problem) for each in results] == [False, False, True, False, False]
    kept = [await migrated.get(job.id) for job in jobs]
    assert {job.status for job in kept} == {JobStatus.SUCCESS}
    assert [job.result is None for job in kept] == [False, False, True, False, False]


async def test_a_refused_success_ends_failed_with_the_databases_reason(migrated: SurrealStore) -> None:
    await migrated.add([NewJob(path="/a", backend="api")])
    (job,) = await migrated.claim({"api": 5}, "r")
    await migrated._connection.write(
        "DEFINE FIELD OVERWRITE status ON job TYPE string "
        "ASSERT $value IN ['pending', 'processing', 'failed']"
    )
    (result,) = await migrated.settle([settlement_of(job, Delivered())])
    kept = await migrated.get(job.id)
    assert (result.fate, kept.status, kept.errors[-1].name) == ("settled", JobStatus.FAILED, INVALID_ROW)
    assert "status" in kept.errors[-1].reason


async def test_a_refused_insert_writes_nothing(migrated: SurrealStore) -> None:
    await migrated._connection.write("DEFINE FIELD OVERWRITE path ON job TYPE string ASSERT $value != '/no'")
    with pytest.raises(RowRefused, match="/no"):
        await migrated.add([NewJob(path="/a", backend="api"), NewJob(path="/no", backend="api")])
    assert await migrated.find(JobQuery()) == []


@pytest.mark.parametrize("parent", ["abc", "thread:", ":abc", "thread:[1"])
async def test_a_parent_that_is_no_record_is_refused(migrated: SurrealStore, parent: str) -> None:
    with pytest.raises(OptionInvalid, match="assigned_to"):
        await migrated.add([NewJob(path="/a", backend="api", assigned_to=parent)])


async def test_a_payload_that_is_an_object_is_read(migrated: SurrealStore) -> None:
    await migrated._connection.write(
        "DEFINE FIELD OVERWRITE payload ON job TYPE object FLEXIBLE;"
        "CREATE job:x CONTENT { path: '/a', payload: { b: 1, c: [true, NULL] } }"
    )
    (job,) = await migrated.claim({"api": 5}, "r")
    assert (job.payload, job.defect) == ({"b": 1, "c": [True, None]}, None)


async def test_claims_and_lookups_use_indexes(migrated: SurrealStore) -> None:
    plans = {
        "SELECT VALUE id FROM job WHERE status = 'pending' AND run_at <= time::now() LIMIT 5": "sp00ky_due",
        "SELECT VALUE id FROM job WHERE status = 'pending' AND run_at = NONE LIMIT 5": "sp00ky_due",
        "SELECT VALUE id FROM job WHERE status = 'pending' AND run_at >= d'0001-01-01T00:00:00Z' LIMIT 5": (
            "sp00ky_due"
        ),
        "SELECT id, run_at FROM job WHERE status = 'pending' AND run_at < d'0001-01-02T00:00:00Z' "
        "ORDER BY run_at DESC LIMIT 5": "sp00ky_due",
        "SELECT id, lease_until FROM job WHERE status = 'processing'": "sp00ky_due",
        "SELECT VALUE id FROM job WHERE status = 'processing' AND runner_id = 'r'": "sp00ky_due",
        "SELECT id FROM job WHERE dedup_live IN ['a', 'b']": "sp00ky_dedup",
        "SELECT id, created_at FROM job WHERE assigned_to = thread:a AND path = '/a' "
        "ORDER BY created_at DESC, id DESC LIMIT 1": "sp00ky_parent",
    }
    for statement, index in plans.items():
        (plan,) = await migrated._connection.read(f"{statement} EXPLAIN")
        assert f"'index': '{index}'" in str(plan), statement


async def test_the_newest_job_of_a_parent_and_a_path(migrated: SurrealStore) -> None:
    new_jobs = [NewJob(path=f"/{n % 2}", backend="api", assigned_to=f"thread:{n % 3}") for n in range(12)]
    jobs = await migrated.add(new_jobs)
    found = await migrated.find(JobQuery(assigned_to="thread:0", path="/1", limit=1))
    assert [job.id for job in found] == [jobs[9].id]


async def test_a_backend_whose_breaker_is_open_is_passed_over(migrated: SurrealStore) -> None:
    await migrated.add([NewJob(path="/a", backend="api")])
    await migrated._connection.write(
        "CREATE sp00ky_breaker:api SET backend = 'api', state = 'open', paused_until = time::now() + 1h"
    )
    assert await migrated.claim({"api": 5}, "r") == []
    breaker = (await migrated.stats())["api"].breaker
    assert (breaker.state, round(breaker.paused_for_s, -2)) == ("open", 3600)
    await migrated._connection.write("UPDATE sp00ky_breaker:api SET paused_until = time::now()")
    assert len(await migrated.claim({"api": 5}, "r")) == 1


async def test_a_beat_does_not_wait_for_writes(migrated: SurrealStore) -> None:
    async with migrated._connection._writes:
        assert set(await migrated.beat("r1")) == {"r1"}


async def test_what_may_have_arrived_is_known_where_no_entry_is_kept(spec_store: SurrealStore) -> None:
    """On the documentation's own table, of a row that has no lease: the old runner left it."""
    await spec_store._connection.write(
        "CREATE thread:a SET title = 'boo'; CREATE job:x SET assigned_to = thread:a, path = '/a', "
        "payload = '{}', max_retries = 0, status = 'processing' RETURN NONE"
    )
    assert [each.job_id for each in await spec_store.reclaim({})] == ["job:x"]
    assert (await spec_store.get("job:x")).errors == ()
    (refused,) = await spec_store.redrive(["job:x"])
    assert refused.fate == "illegal"
    (done,) = await spec_store.redrive(["job:x"], resend_unknown=True)
    assert done.fate == "redriven"
