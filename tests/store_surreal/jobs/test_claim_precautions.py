"""Rows that claims can't write are passed over, and cost no other row."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.refused_writes import Quarantine
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.connection.conflict_retries import Lane
from sp00ky_store_surreal.errors import TookTooLong
from sp00ky_store_surreal.jobs import claim as claiming
from sp00ky_store_surreal.jobs import claim_precautions, claim_statement
from sp00ky_store_surreal.jobs.claim_statement import REST

PLAIN = JobTable(backend="api", table="job")
LIMITED = JobTable(backend="api", table="job", max_in_flight=5)
MakeTwo = Callable[[JobTable, pytest.MonkeyPatch, str], Awaitable[SurrealStore]]


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
    later = time.monotonic() + Quarantine.REST
    monkeypatch.setattr(migrated._refused, "_clock", lambda: later)
    assert [job.id for job in await migrated.claim({"api": 1}, "r")] == [bad.id]


@pytest.fixture
def make_two(url: str, make_migrated: Any) -> MakeTwo:
    """A store of two backends, with a job of each, and what it asks the database."""

    async def make(api: JobTable, monkeypatch: pytest.MonkeyPatch, refused: str) -> SurrealStore:
        store: SurrealStore = await make_migrated(url, (api, JobTable(backend="mail", table="mail")))
        await store.add([NewJob(path="/a", backend="api"), NewJob(path="/b", backend="mail")])
        ask = store._connection._link.ask

        async def cut_off(statement: str, bindings: Any, *, lane: Lane, resend: bool) -> list[Any]:
            if lane is Lane.CLAIM and refused in statement:
                raise TookTooLong(store="", problem="it exceeded the timeout")
            return await ask(statement, bindings, lane=lane, resend=resend)

        monkeypatch.setattr(store._connection._link, "ask", cut_off)
        return store

    return make


@pytest.mark.parametrize("api", [PLAIN, LIMITED], ids=["plain", "limited"])
async def test_a_backend_that_cant_be_claimed_costs_no_other_its_jobs(
    make_two: MakeTwo, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, api: JobTable
) -> None:
    store = await make_two(api, monkeypatch, "FROM `job`")
    claim = await store.claim({"api": 5, "mail": 5}, "r")
    assert [job.backend for job in claim] == ["mail"]
    assert claim.retry_in == {"api": REST}
    assert "can't claim jobs of 'api'" in caplog.text
    with pytest.raises(TookTooLong):  # nothing was claimed
        await store.claim({"api": 5, "mail": 5}, "r")


async def test_a_probe_that_cant_be_taken_costs_no_other_backend_its_jobs(
    make_two: MakeTwo, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await make_two(PLAIN, monkeypatch, "AS spare")
    await store._connection.write("CREATE sp00ky_breaker:api SET backend = 'api', state = 'open'")
    claim = await store.claim({"api": 5, "mail": 5}, "r")
    assert [job.backend for job in claim] == ["mail"]
    assert claim.breakers["api"].wants_probe


async def test_a_table_that_refuses_claims_takes_no_job_of_another(
    make_two: MakeTwo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a job would be nobody's until it is released."""
    store = await make_two(PLAIN, monkeypatch, "no such statement")
    await store.add([NewJob(path="/b", backend="mail") for _ in range(3)])
    await store._connection.write(
        "DEFINE EVENT no ON job WHEN $after.status = 'processing' THEN { THROW 'no' }"
    )
    claim = await store.claim({"api": 1, "mail": 1}, "r")
    (taken,) = await store._connection.read("SELECT VALUE <string>id FROM mail WHERE status = 'processing'")
    assert taken == [job.id for job in claim]


@pytest.mark.parametrize("end", ["KILL", "close"])
async def test_what_a_clients_live_query_held_up_is_delivered_after_its_end(
    spooky_app: Any,
    end: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    make_migrated: Any,
) -> None:
    monkeypatch.setattr(claim_statement, "CLAIM_SECONDS", 0.05)
    monkeypatch.setattr(claim_precautions, "COLLIDING", 0.1)
    store = await make_migrated(spooky_app.url)
    ann = await spooky_app.sign_up("ann")
    (job,) = await store.add([NewJob(backend="api", path="/a", assigned_to="thread:ann")])
    reply = await ann.query_raw("LIVE SELECT * FROM job WHERE sleep(300ms) = NONE")
    (finding,) = [finding for finding in await store.check() if "LIVE" in finding.problem]
    assert "sleep" in finding.problem
    for _ in range(3):
        assert list(await store.claim({"api": 5}, "r")) == []
    assert caplog.text.count("LIVE query") == 1
    if end == "KILL":
        await store._connection.write(f"KILL u'{reply['result'][0]['result']}'")
    else:  # the server goes on with it, though it doesn't list it any more
        await ann.close()
    monkeypatch.setattr(claim_statement, "CLAIM_SECONDS", 60.0)  # as a busy machine may need
    async with asyncio.timeout(60):
        claimed: list[Job] = []
        while not claimed:
            claimed += await store.claim({"api": 5}, "r")
    assert [stored.id for stored in claimed] == [job.id]


@pytest.mark.parametrize("priority", [None, 1], ids=["by age", "by priority"])
async def test_rows_that_are_too_long_let_the_others_go_first(
    migrated: SurrealStore, priority: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database reads each of them whole, and writes it whole: others don't wait for more than one."""
    monkeypatch.setattr(claiming, "LONG_SECONDS", 60.0)
    await migrated._connection.write(
        "FOR $n IN <array>0..9 { CREATE job SET path = '/long', run_at = d'2020-01-01T00:00:00Z', "
        "priority = $priority, claim_group = $priority, "
        "payload = array::join(array::repeat(string::repeat('x', 100000), 11), '') RETURN NONE }",
        priority=priority,
    )
    await migrated.add([NewJob(path="/a", backend="api", priority=priority or 0) for _ in range(3)])
    claims = [await migrated.claim({"api": 50}, "r") for _ in range(3)]
    assert [len(claim) for claim in claims] == [4, 8, 0]
    assert [job.defect is None for job in claims[0]].count(True) == 3
    assert all("payload" in (job.defect or "") for job in claims[1])
