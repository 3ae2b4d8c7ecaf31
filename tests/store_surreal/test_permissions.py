"""Record users over the wire: what they may do, what is refused, what a runner does with what they forge."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sp00ky_conformance import MisbehavingBackend
from sp00ky_conformance.transport.behaviours import behaviour_of
from sp00ky_core import Job, Outbox, RunnerOptions
from sp00ky_core.testing.perform import ScriptedTransport

CONFIG = """\
backends:
  api:
    spec: openapi.json
    baseUrl: http://127.0.0.1:1
    method: {table: job}
    retry: {base: 0}
"""
SPEC = {
    "openapi": "3.1.0",
    "info": {"title": "api", "version": "1"},
    "paths": {
        "/spookify": {
            "post": {
                "requestBody": {"content": {"application/json": {}}},
                "responses": {"200": {"description": "done"}},
            }
        }
    },
}
HASTY = RunnerOptions(grace=5, poll=0.1, beat_interval=0.05, reclaim_after=0.1, dead_after=30)
CREATE = "CREATE job:{key} SET path = '/spookify', payload = '{{}}', assigned_to = thread:a"
OURS = (
    "sp00ky_runner",
    "sp00ky_breaker",
    "sp00ky_schedule",
    "sp00ky_schedule_run",
    "sp00ky_rollup",
    "sp00ky_migration",
)


async def rows(connection: Any, statement: str) -> Any:
    reply = await connection.query_raw(statement)
    assert {result["status"] for result in reply["result"]} == {"OK"}, reply
    return reply["result"][-1]["result"]


HERE = Path(__file__).parent
DOCUMENTED = "as documented"
OPEN_AGAIN = "deployed again, as documented"


@pytest.fixture(params=[DOCUMENTED, OPEN_AGAIN, "made by 0.3", "repaired", "made by migrate"])
def made(request: pytest.FixtureRequest) -> str:
    """How the table was made."""
    return str(request.param)


@pytest_asyncio.fixture
async def outbox(made: str, tmp_path: Path, spooky_app: Any) -> AsyncIterator[Outbox]:
    (tmp_path / "openapi.json").write_text(json.dumps(SPEC))
    (tmp_path / "sp00ky.yml").write_text(CONFIG)
    if made.startswith("made by"):
        await rows(spooky_app.root, "REMOVE TABLE job")
    if made == "made by 0.3":
        await rows(spooky_app.root, (HERE / "job_of_0_3.surql").read_text())
    async with Outbox.open(tmp_path / "sp00ky.yml", store=spooky_app.url) as outbox:
        await outbox.store.migrate(repair=made == "repaired")
        if made == OPEN_AGAIN:
            spec = (HERE / "spec_job.surql").read_text()
            await rows(spooky_app.root, re.sub("DEFINE (FIELD|TABLE)", r"DEFINE \1 OVERWRITE", spec))
        yield outbox


@pytest_asyncio.fixture
async def a(outbox: Outbox, spooky_app: Any) -> Any:
    return await spooky_app.sign_up("a")


@pytest_asyncio.fixture
async def b(outbox: Outbox, spooky_app: Any) -> Any:
    return await spooky_app.sign_up("b")


@pytest_asyncio.fixture
async def job(a: Any, outbox: Outbox) -> Job:
    """A's, as the TypeScript client writes it."""
    more = ", max_retries = 3, retry_strategy = 'linear'"
    (row,) = await rows(a, CREATE.format(key="one") + more)
    assert (row["status"], row["retries"]) == ("pending", 0)
    return await outbox.get("job:one")


FOREIGN = (
    "SELECT * FROM job",
    "SELECT * FROM job:one",
    "SELECT VALUE path FROM job WHERE assigned_to = thread:a",
    "UPDATE job:one SET max_retries = 0",
    "UPDATE job SET max_retries = 0",
    "UPSERT job:one SET max_retries = 0",
    "DELETE job:one",
    "DELETE job",
    CREATE.format(key="two"),
    "INSERT INTO job { id: job:two, path: '/spookify', payload: '{}', assigned_to: thread:a }",
    "UPDATE job:one SET assigned_to = thread:b",
)


async def test_another_user_sees_and_changes_nothing(outbox: Outbox, job: Job, b: Any) -> None:
    for statement in FOREIGN:
        (reply,) = (await b.query_raw(statement))["result"]
        assert reply["status"] == "ERR" or reply["result"] == [], (statement, reply)
        assert await outbox.find() == [job], statement


@pytest.mark.parametrize("table", OURS)
async def test_our_own_tables_are_nobodys(
    outbox: Outbox, job: Job, a: Any, spooky_app: Any, table: str
) -> None:
    await outbox.store.beat("runner")
    await rows(spooky_app.root, "CREATE sp00ky_breaker:api SET backend = 'api', state = 'closed'")
    texts = "name = 'n', definition = '', hash = 'h', seen = '', origin = 'file', failures = ''"
    fields = f"{texts}, revision = 1, paused = false, removed = false"
    await rows(spooky_app.root, f"CREATE sp00ky_schedule:n SET {fields}")
    run = "schedule = 'n', fired_at = time::now(), key = '', trigger = 'cron', status = 'running'"
    await rows(spooky_app.root, f"CREATE sp00ky_schedule_run:n SET {run}")
    kind = "runner_id = 'r', backend = 'api', path = '/x', outcome = 'success', code = 200"
    numbers = "count = 1, seconds_sum = 1.0, buckets = [1]"
    await rows(spooky_app.root, f"CREATE sp00ky_rollup:n SET minute = time::now(), {kind}, {numbers}")
    everything = "SELECT * FROM {}".format
    before = await rows(spooky_app.root, everything(table))
    assert before
    changes = f"UPDATE {table} MERGE {{ state: 'open' }}", f"CREATE {table}:x", f"UPSERT {table}:x"
    for statement in (everything(table), *changes, f"DELETE {table}"):
        assert await rows(a, statement) == []
    for statement in (f"INFO FOR TABLE {table}", f"DEFINE TABLE OVERWRITE {table} PERMISSIONS FULL"):
        (reply,) = (await a.query_raw(statement))["result"]
        assert (reply["status"], "permissions" in reply["result"]) == ("ERR", True)
    assert await rows(spooky_app.root, everything(table)) == before


RELIED_ON = (
    "path = '/x'",
    "payload = '[]'",
    "status = 'success'",
    "status = 'failed'",
    "retries = 0 - 5",
    "errors = []",
    "errors = NONE",
    "assigned_to = thread:b",
    "retry_strategy = 'exponential'",
    "timeout = 1",
    "updated_at = d'2000-01-01T00:00:00Z'",
    "run_at = d'2000-01-01T00:00:00Z'",
    "result = '{}'",
    "dedup_key = 'k'",
    "dedup_live = 'k'",
    "traceparent = 'x'",
    "lease_epoch = 5",
    "lease_until = time::now() + 10y",
    "runner_id = 'me'",
    "claimed_max_retries = 4",
)


async def test_the_owner_cant_change_what_a_runner_relies_on(
    outbox: Outbox, made: str, job: Job, a: Any, spooky_app: Any
) -> None:
    columns = "SELECT * OMIT created_at FROM job"  # which moves, as it is documented
    before = await rows(spooky_app.root, columns)
    update = "UPDATE job:one SET {}".format
    for change in (*RELIED_ON, *(() if made == OPEN_AGAIN else ("max_retries = 4",))):
        await a.query_raw(update(change))  # refused without an error, or with one
        assert await rows(spooky_app.root, columns) == before, change


async def test_content_without_max_retries_leaves_them(
    outbox: Outbox, made: str, a: Any, spooky_app: Any
) -> None:
    await rows(spooky_app.root, f"{CREATE.format(key='once')}, max_retries = 0")
    content = "{ path: '/spookify', payload: '{}', assigned_to: thread:a }"
    await a.query_raw(f"UPDATE job:once CONTENT {content}")
    assert (await outbox.get("job:once")).max_retries == (3 if made == OPEN_AGAIN else 0)


OLD = (
    *(
        "status = 'success'",
        "status = 'failed'",
        "status = 'processing'",
        "retries = -5",
        "errors = [{ a: 1 }]",
    ),
    "created_at = d'2999-01-01T00:00:00Z'",
)


async def test_what_a_user_makes_is_a_new_job(outbox: Outbox, made: str, a: Any) -> None:
    promises = [finding for finding in await outbox.store.check() if finding.breaks_promise]
    open_fields = {finding.subject for finding in promises}
    assert open_fields == ({"job.max_retries", "job.status"} if made == OPEN_AGAIN else set())
    assert {finding.fix for finding in promises} <= {"run: sp00ky migrate"}
    if open_fields:
        await outbox.store.migrate()
    # where created_at moves at each write, what a user says of it is lost
    for old in OLD[:-1] if made in {DOCUMENTED, OPEN_AGAIN} else OLD:
        (reply,) = (await a.query_raw(f"{CREATE.format(key='old')}, {old}"))["result"]
        assert (reply["status"], "!retries AND !errors" in reply["result"]) == ("ERR", True)
    assert await outbox.find() == []
    new = "status = 'pending', retries = 0, errors = [], created_at = time::now() - 1h"
    await rows(a, f"{CREATE.format(key='new')}, {new}")
    await delivered(outbox, "job:new")
    await rows(a, "UPDATE job:new SET timeout = 5")  # its status is an ended job's, and stays so
    assert (await outbox.get("job:new")).status == "success"


async def delivered(outbox: Outbox, *job_ids: str) -> tuple[list[Job], ScriptedTransport]:
    """The jobs once they have ended, and what was sent."""
    transport = ScriptedTransport()
    async with asyncio.timeout(60), outbox.runner(HASTY, transport=transport):
        for job_id in job_ids:
            async for _ in outbox.watch(job_id):
                pass
    return [await outbox.get(id_) for id_ in job_ids], transport


async def test_a_job_that_may_be_sent_once_is_sent_once_whatever_its_owner_writes(
    outbox: Outbox, made: str, a: Any, spooky_app: Any
) -> None:
    """Counted at a backend that answers 500."""
    await rows(a, f"{CREATE.format(key='charge')}, max_retries = 0")
    await a.query_raw("UPDATE job:charge SET max_retries = 5")
    await a.query_raw(f"{CREATE.format(key='old')}, status = 'failed', retries = -1, max_retries = 0")
    async with MisbehavingBackend(choose=lambda target: behaviour_of("/fails")) as backend:
        (outbox.config.file.parent / "sp00ky.yml").write_text(
            CONFIG.replace("http://127.0.0.1:1", backend.url)
        )
        async with (
            Outbox.open(outbox.config.file, store=spooky_app.url) as served,
            asyncio.timeout(60),
            served.runner(HASTY),
        ):
            async for _ in served.watch("job:charge"):
                pass
        sent = [received.headers["idempotency-key"] for received in backend.requests]
    assert sent == ["job:charge"] * (6 if made == OPEN_AGAIN else 1)


FORGED = {
    "success": ("status = 'success'", "success", 0),
    "failed": ("status = 'failed'", "failed", 0),
    "processing": ("status = 'processing'", "success", 1),
    "processing and no retries": ("status = 'processing', max_retries = 0", "failed", 0),
    "lease": (
        "status = 'processing', lease_until = time::now() + 10y, lease_epoch = 99, runner_id = 'x'",
        "success",
        1,
    ),
    "pending lease": ("lease_until = time::now() + 10y, lease_epoch = 9223372036854775807", "success", 1),
    "negative retries": ("retries = -5", "failed", 0),
    "many retries": ("retries = 9223372036854775807", "failed", 0),
    "huge max_retries": ("max_retries = 1000000000000", "failed", 0),
    "negative max_retries": ("max_retries = -1", "failed", 0),
    "errors": ("errors = array::repeat({}, 1000)", "success", 1),
    "key": ("dedup_key = 'k', dedup_live = 'k'", "success", 1),
    "early": ("run_at = d'-262143-01-01T00:00:00Z'", "success", 1),
}


async def test_what_the_owner_forges_harms_nobody(outbox: Outbox, made: str, a: Any, b: Any) -> None:
    keys = {f"job:forged{number}": what for number, what in enumerate(FORGED)}
    for job_id, what in list(keys.items()):
        reply = await a.query_raw(f"{CREATE.format(key=job_id[4:])}, {FORGED[what][0]} RETURN NONE")
        refused = reply["result"][0]["status"] == "ERR"
        assert refused == (made != OPEN_AGAIN and FORGED[what][0].startswith(("status", "retries", "errors")))
        if refused:
            del keys[job_id]
    await rows(b, "CREATE job:other SET path = '/spookify', payload = '{}', assigned_to = thread:b")
    (*forged, other), transport = await delivered(outbox, *keys, "job:other")
    sent = [attempt.job.id for attempt in transport.attempts]
    became = {keys[job.id]: (job.status, sent.count(job.id)) for job in forged}
    assert became == {what: FORGED[what][1:] for what in keys.values()}
    assert (other.status, other.retries, sent.count(other.id)) == ("success", 0, 1)
    assert (await outbox.run("api", "/spookify", assigned_to="thread:a", dedup_key="k")).id not in keys


async def test_a_dedup_key_that_a_user_may_not_write_is_said(outbox: Outbox, a: Any) -> None:
    """Its field would be dropped, and each statement would make another job."""
    for more in ("", "BEGIN; "):
        job = outbox.statement("api", "/spookify", {}, assigned_to="thread:a", dedup_key="once")
        end = "COMMIT;" if more else ""
        reply = await a.query_raw(f"{more}{job.text}{end}", dict(job.bindings))
        assert "a dedup_key takes a root, namespace or database user" in str(reply["result"])
    assert await outbox.find() == []
    free = outbox.statement("api", "/spookify", {}, assigned_to="thread:a")
    await a.query_raw(free.text, dict(free.bindings))
    assert len(await outbox.find()) == 1
