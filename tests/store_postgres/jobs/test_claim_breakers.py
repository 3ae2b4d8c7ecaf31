"""Breakers: what one backend's says, odd or not, costs no other backend anything."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from sp00ky_core.config import BreakerConfig
from sp00ky_core.gate.breaker import Breaker, BreakerState, ProbeFailed, change_after
from sp00ky_core.ports import JobTable
from sp00ky_store_postgres import PostgresStore

TABLES = (JobTable(backend="api", table="job"), JobTable(backend="mail", table="mail"))

REFUSE = "ALTER TABLE {schema}.job ADD CONSTRAINT mine CHECK (path <> '/refused' OR status = 'pending')"


@pytest_asyncio.fixture
async def store(make: Any) -> AsyncIterator[PostgresStore]:
    """A store of two backends that finds work by asking, as where nothing can be heard."""
    store = make(tables=TABLES, notify="off")
    await store.open()
    await store.migrate()
    yield store
    await store.close()


@pytest.fixture
def set_breaker(sql: Any, quoted: str) -> Any:
    """Writes the row of the breaker of ``api``: its columns as SQL."""

    async def set_breaker(**columns: str) -> None:
        row = {"backend": "'api'", **columns}
        await sql.execute(f"DELETE FROM {quoted}.sp00ky_breaker")
        await sql.execute(
            f"INSERT INTO {quoted}.sp00ky_breaker ({', '.join(row)}) VALUES ({', '.join(row.values())})"
        )

    return set_breaker


ODD = {
    "paused for ever": ({"paused_until": "'infinity'"}, "closed", False),
    "paused since ever": ({"paused_until": "'-infinity'"}, "closed", False),
    "open for ever": ({"state": "'open'", "paused_until": "'infinity'"}, "half_open", False),
    "open since ever": ({"state": "'open'", "paused_until": "'-infinity'"}, "half_open", False),
    "a probe without end": ({"state": "'open'", "probe_until": "'infinity'"}, "half_open", False),
    "a probe since ever": ({"state": "'open'", "probe_until": "'-infinity'"}, "half_open", False),
    "a distant pause": ({"paused_until": "'294000-01-01Z'"}, "closed", False),
    "another state": ({"state": "'strange'"}, "half_open", False),
    "negative failures": ({"failures": "-2147483648"}, "closed", False),
    "all failures": ({"state": "'open'", "failures": "2147483647"}, "half_open", False),
    "no runner": ({"state": "'open'", "probe_runner": "''"}, "half_open", False),
}

PAUSED = {
    "none": ({}, True),
    "paused": ({"paused_until": "now() + interval '1 minute'"}, False),
    "open": ({"state": "'open'", "paused_until": "now() + interval '1 minute'"}, False),
    "open, the pause over": ({"state": "'open'", "paused_until": "now()"}, True),
    "a probe under way": ({"state": "'open'", "probe_until": "now() + interval '40 seconds'"}, False),
    "a probe by a clock ahead": ({"state": "'open'", "probe_until": "now() + interval '1 hour'"}, True),
    "a probe that is over": ({"state": "'open'", "probe_until": "now()"}, True),
    "closed by a late answer": ({"probe_until": "now() + interval '1 minute'"}, True),
}


@pytest.mark.parametrize(("columns", "state", "paused"), ODD.values(), ids=ODD)
async def test_an_odd_row_stops_no_other_backend(
    store: PostgresStore, new_job: Any, set_breaker: Any, columns: dict[str, str], state: str, paused: bool
) -> None:
    """What it is after a claim, which may have taken its probe."""
    await store.add([new_job(), new_job(backend="mail")])
    await set_breaker(**columns)
    claim = await store.claim({"api": 5, "mail": 5}, "r1")
    assert "mail" in {job.backend for job in claim}
    breaker = (await store.stats())["api"].breaker
    assert (breaker.state, breaker.paused_for_s > 0) == (state, paused)
    assert claim.breakers.get("api", Breaker()).paused_for <= 3_650 * 86_400


async def test_failures_are_counted_up_to_what_the_column_holds(
    store: PostgresStore, new_job: Any, set_breaker: Any
) -> None:
    await store.add([new_job()])
    await set_breaker(state="'open'", failures="2147483647")
    claim = await store.claim({"api": 1}, "r1")
    change = change_after("api", claim.breakers["api"], ProbeFailed(runner_id="r1"), BreakerConfig())
    assert change is not None
    result = await store.change_breaker(change)
    assert result.written
    assert (result.breaker.state, result.breaker.failures) == (BreakerState.OPEN, 2_147_483_647)


@pytest.mark.parametrize(("columns", "due"), PAUSED.values(), ids=PAUSED)
async def test_what_is_paused_wakes_nobody(
    store: PostgresStore, new_job: Any, set_breaker: Any, columns: dict[str, str], due: bool
) -> None:
    """Else idle runners would claim many times a second, for nothing, while a backend is away."""
    await store.add([new_job()])
    await set_breaker(**columns)
    assert await store._is_due() == due
    assert await store.next_due(["api"]) == 0  # for a runner that asks: it knows of the pause
    await store.add([new_job(backend="mail")])
    assert await store._is_due()


async def test_an_idle_open_breaker_costs_a_claim_no_statement(
    store: PostgresStore, new_job: Any, set_breaker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await set_breaker(state="'open'")
    fetch, sent = store._executor.fetch, []

    async def counted(lane: Any, statement: str, *arguments: object) -> list[Any]:
        sent.append(statement)
        return await fetch(lane, statement, *arguments)

    monkeypatch.setattr(store._executor, "fetch", counted)
    await store.add([new_job(backend="mail"), new_job(delay=timedelta(days=1))])
    sent.clear()
    claim = await store.claim({"api": 1, "mail": 1}, "r1")
    assert [job.backend for job in claim] == ["mail"]
    assert claim.breakers["api"].wants_probe
    assert len(sent) == 1
    await store.add([new_job()])
    assert [job.backend for job in await store.claim({"api": 1, "mail": 1}, "r1")] == ["api"]


async def test_a_refused_probe_costs_no_claimed_job(
    store: PostgresStore, new_job: Any, set_breaker: Any, sql: Any, quoted: str
) -> None:
    """The next row becomes the probe, and what was claimed for other backends is handed over."""
    await store.add([new_job(path="/refused"), new_job()])
    await store.add([new_job(backend="mail") for _ in range(3)])
    await sql.execute(REFUSE.format(schema=quoted))
    await set_breaker(state="'open'")
    claim = await store.claim({"api": 5, "mail": 2}, "r1")
    assert sorted((job.backend, job.path) for job in claim) == [
        ("api", "/spookify"),
        ("mail", "/spookify"),
        ("mail", "/spookify"),
    ]
    assert claim.breakers["api"].probe_runner == "r1"
    held = await sql.fetchval(f"SELECT count(*) FROM {quoted}.mail WHERE status = 'processing'")
    assert held == 2
