"""Tables and rows as Sp00ky projects have them: without some fields, with delays, with results as values."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.job.job import JobStatus, NewJob
from sp00ky_core.job.outcome import Delivered, Undelivered
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.stores.transitions import reschedule
from sp00ky_store_surreal import SurrealStore

NEWEST = (Path(__file__).parent / "sp00ky_job.surql").read_text(encoding="utf-8")


async def rows(connection: Any, statement: str) -> Any:
    """What the last statement returns; all of them must go well."""
    reply = await connection.query_raw(statement, {})
    assert {result["status"] for result in reply["result"]} == {"OK"}, reply
    return reply["result"][-1]["result"]


async def test_migrate_adds_what_clients_may_write(store: SurrealStore, spec_schema: str) -> None:
    await store._connection.write(re.sub(r"DEFINE FIELD timeout .*?false;", "", spec_schema, flags=re.DOTALL))
    steps = {
        step.statement.split()[5]: step.statement
        for step in await store.migrate()
        if "FIELD" in step.statement
    }
    for field in ("timeout", "delay"):
        assert "TYPE option<int>" in steps[field]
        assert "FOR create, select FULL FOR update WHERE false" in steps[field]
    assert "FOR create, update WHERE false" in steps["deferred_since"]


@pytest.mark.parametrize("moves", [False, True], ids=["created_at stays", "created_at moves"])
async def test_a_clients_delay_is_honoured_once(store: SurrealStore, spec_schema: str, moves: bool) -> None:
    if moves:
        await store._connection.write(spec_schema)
        await store._connection.write("DEFINE FIELD OVERWRITE assigned_to ON job TYPE option<record<thread>>")
    await store.migrate()
    await store._connection.write(
        "CREATE job:late SET path = '/a', payload = '{}', delay = 3600000 RETURN NONE;"
        "CREATE job:soon SET path = '/a', payload = '{}', delay = 0 RETURN NONE"
    )
    before = await store.get("job:late")
    assert [job.id for job in await store.claim({"api": 5}, "r")] == ["job:soon"]
    late = await store.get("job:late")
    assert late.created_at is not None
    assert late.run_at is not None
    assert before.created_at is not None
    assert abs(late.run_at - before.created_at - timedelta(hours=1)) < timedelta(milliseconds=2)
    assert (late.status, late.retries, late.errors) == (JobStatus.PENDING, 0, ())
    await reschedule(store, ["job:late"], Rescheduled(delay=0))
    assert [job.id for job in await store.claim({"api": 5}, "r")] == ["job:late"]


async def test_without_delays_a_claim_is_one_round_trip(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrated.add([NewJob(path="/a", backend="api") for _ in range(20)])
    await migrated.claim({"api": 5}, "r")  # the first one looks around
    sent: list[str] = []
    ask = migrated._connection._link.ask

    async def counted(statement: str, *arguments: Any, **options: Any) -> list[Any]:
        sent.append(statement)
        return await ask(statement, *arguments, **options)

    monkeypatch.setattr(migrated._connection._link, "ask", counted)
    assert len(await migrated.claim({"api": 5}, "r")) == 5
    assert len(sent) == 1


ROWS = {
    "TypeScript": (
        "CREATE job:0123456789abcdef0123456789abcdef SET path = '/a', payload = '{\"id\":1}', "
        "status = 'pending', max_retries = 3, retry_strategy = 'linear', assigned_to = thread:a"
    ),
    "Dart": (
        "CREATE job:⟨11112222333344445555666677778888⟩ SET path = '/a', "
        'payload = \'{"id":1,"note":null}\', '
        "status = 'pending', max_retries = 3, retry_strategy = 'linear', assigned_to = thread:a, delay = 1"
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
async def test_clients_rows_are_delivered(spooky_app: Any, row: str, make_migrated: Any) -> None:
    await rows(spooky_app.root, "REMOVE TABLE job")
    await rows(spooky_app.root, NEWEST)
    store = await make_migrated(spooky_app.url)
    assert not [finding for finding in await store.check() if finding.stops_jobs]
    user = await spooky_app.sign_up("a")
    (made,) = await rows(user, row)
    (job,) = [job for _ in range(20) for job in await store.claim({"api": 1}, "r")]
    assert job.payload["id"] == 1
    await store.settle([settlement(job, Delivered(result={"x": "seen"}))])
    (seen,) = [stored for stored in await rows(user, "SELECT * FROM job") if stored["id"] == made["id"]]
    assert (seen["status"], seen["result"]) == ("success", {"x": "seen"})


async def test_a_schedules_row_is_delivered(spooky_app: Any, make_migrated: Any) -> None:
    await rows(spooky_app.root, "REMOVE TABLE job")
    await rows(spooky_app.root, NEWEST)
    store = await make_migrated(spooky_app.url)
    await rows(
        spooky_app.root,
        "CREATE job:sch_daily_1 SET path = '/a', payload = { id: 1, row: { name: 'x' } }, max_retries = 2",
    )
    (job,) = await store.claim({"api": 1}, "r")
    assert (job.payload, job.assigned_to) == ({"id": 1, "row": {"name": "x"}}, None)
    await store.settle([settlement(job, Undelivered(name="http_status", code=500, reason="x"))])
    assert (await store.get(job.id)).errors[0].code == 500


async def test_a_client_may_delay_its_own_job_and_no_more(spooky_app: Any, make_migrated: Any) -> None:
    store = await make_migrated(spooky_app.url)
    user = await spooky_app.sign_up("a")
    (made,) = await rows(
        user,
        "CREATE job:a SET path = '/a', payload = '{}', assigned_to = thread:a, delay = 3600000, timeout = 5, "
        "deferred_since = time::now()",
    )
    assert (made["delay"], made["timeout"], made.get("deferred_since")) == (3_600_000, 5, None)
    assert await store.claim({"api": 1}, "r") == []
    await rows(user, "UPDATE job:a SET delay = 0, timeout = 1, deferred_since = time::now(), run_at = NONE")
    (kept,) = await rows(spooky_app.root, "SELECT delay, timeout, deferred_since FROM job:a")
    assert (kept["delay"], kept["timeout"], kept.get("deferred_since")) == (3_600_000, 5, None)
    assert await store.claim({"api": 1}, "r") == []


async def test_a_table_may_write_a_dedup_key_in_its_own_way(migrated: SurrealStore) -> None:
    lower = "VALUE IF $value = NONE { NONE } ELSE { string::lowercase($value) }"
    await migrated._connection.write(
        f"DEFINE FIELD OVERWRITE dedup_key ON TABLE job TYPE option<string> {lower}"
    )
    (job,) = await migrated.add([NewJob(path="/a", backend="api", dedup_key="ABC")])
    assert job.dedup_key == "abc"
