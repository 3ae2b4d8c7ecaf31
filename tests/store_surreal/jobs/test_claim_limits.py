"""Limits of the fleet: what a claim may take, and when the next one is worth it."""

from typing import Any

import pytest
import pytest_asyncio

from sp00ky_core.config import RateConfig
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobTable
from sp00ky_core.stores import PASSED, Allowance
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.connection.conflict_retries import TRIES
from sp00ky_store_surreal.errors import Conflict
from sp00ky_store_surreal.jobs.claim_statement import allowance_of

PLAIN = JobTable(backend="api", table="job")
RATED = JobTable(backend="api", table="job", rate=RateConfig(limit=2, per=4.0, burst=3))
FEW = JobTable(backend="api", table="job", max_in_flight=2)


def test_what_a_reply_counts_is_what_limits_left() -> None:
    assert allowance_of(RATED, 3.5, 7) == Allowance(tokens=3.5, per_second=0.5)
    assert allowance_of(FEW, None, 1) == Allowance(places=1)
    assert allowance_of(PLAIN, None, 1) == Allowance()


@pytest_asyncio.fixture
async def rated(url: str, make_migrated: Any) -> SurrealStore:
    """A store of a backend with a rate, and nine jobs."""
    store: SurrealStore = await make_migrated(url, (RATED,))
    await store.add([NewJob(path="/a", backend="api") for _ in range(9)])
    return store


async def test_tokens_of_a_time_to_come_are_no_debt(rated: SurrealStore) -> None:
    await rated._connection.write(
        "CREATE sp00ky_control:api SET backend = 'api', tokens = 2, tokens_at = time::now() + 1h"
    )
    claim = await rated.claim({"api": 9}, "r")
    assert len(claim) == 2
    assert claim.retry_in["api"] == pytest.approx(2.0, abs=0.1)


async def test_a_clock_that_has_gone_back_does_not_stop_the_rate(rated: SurrealStore) -> None:
    await rated._connection.write(
        "CREATE sp00ky_control:api SET backend = 'api', tokens = 0.4, tokens_at = time::now() + 1h"
    )
    assert list(await rated.claim({"api": 9}, "r")) == []
    ((row,),) = await rated._connection.read(
        "SELECT tokens, tokens_at > time::now() AS is_ahead FROM sp00ky_control"
    )
    assert row == {"tokens": 0.4, "is_ahead": False}  # tokens come from now on


async def test_a_claim_passes_where_others_are_at_it_again_and_again(
    rated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, asked = rated._connection._link.ask, list[str]()

    async def collide(statement: str, bindings: object, **how: object) -> list[object]:
        if "UPSERT $control" in statement:
            asked.append(statement)
            raise Conflict(store="", problem="Transaction conflict")
        return await ask(statement, bindings, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(rated._connection._link, "ask", collide)
    claim = await rated.claim({"api": 9}, "r")
    assert (list(claim), claim.retry_in, len(asked)) == ([], {"api": PASSED}, TRIES)


async def test_a_limited_claim_is_a_single_message(
    rated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So no transaction is open while a runner is frozen, and others claim as if it weren't there."""
    ask, asked = rated._connection._link.ask, list[str]()

    async def note(statement: str, bindings: object, **how: object) -> list[object]:
        asked.append(statement)
        return await ask(statement, bindings, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(rated._connection._link, "ask", note)
    assert len(await rated.claim({"api": 9}, "r")) == 3
    begins = [statement for statement in asked if "BEGIN" in statement]
    assert [
        ("UPSERT $control" in begin, begin.count("BEGIN;"), begin.count("COMMIT;")) for begin in begins
    ] == [(True, 1, 1)]


async def test_tokens_of_jobs_that_others_had_before_are_given_back(
    rated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = rated._connection._link.ask

    async def be_faster(statement: str, bindings: object, **how: object) -> list[object]:
        if "UPSERT $control" in statement:
            taking = "UPDATE job SET status = 'processing' RETURN NONE;"
            statement = statement.replace("LET $rows0 =", taking + "LET $rows0 =")
        return await ask(statement, bindings, **how)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(rated._connection._link, "ask", be_faster)
        assert list(await rated.claim({"api": 9}, "r")) == []
    await rated._connection.write("UPDATE job SET status = 'pending'")
    claim = await rated.claim({"api": 9}, "r")
    assert len(claim) == 3


async def test_a_claim_that_fails_costs_no_token(rated: SurrealStore) -> None:
    await rated._connection.write(
        "DEFINE EVENT no ON job WHEN $after.status = 'processing' THEN { THROW 'no' }"
    )
    assert list(await rated.claim({"api": 9}, "r")) == []
    assert await rated._connection.read("SELECT VALUE tokens FROM sp00ky_control") == [[]]
