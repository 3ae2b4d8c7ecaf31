"""Triggers of a user's that fail in one way or another: whose fault it is, a row's or everybody's."""

from typing import Any

import pytest

from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.jobs import claim


@pytest.fixture
def trigger(sql: Any, quoted: str) -> Any:
    async def make(body: str, when: str) -> None:
        await sql.execute(
            f"CREATE FUNCTION {quoted}.mine() RETURNS trigger LANGUAGE plpgsql AS $f$ DECLARE x text; "
            f"BEGIN IF {when} THEN {body}; END IF; RETURN NEW; END $f$;"
            f"CREATE TRIGGER mine BEFORE UPDATE ON {quoted}.job FOR EACH ROW EXECUTE FUNCTION {quoted}.mine()"
        )

    return make


async def test_it_is_logged_once_that_no_claim_gets_what_is_due(
    store: PostgresStore,
    new_job: Any,
    trigger: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await store.add([new_job(path="/bad")])
    await trigger("RETURN NULL", "NEW.status = 'processing' AND NEW.path = '/bad'")
    assert await store.claim({"api": 5}, "r1") == []
    assert await store.next_due(["api"]) == 0
    assert await store.claim({"api": 5}, "r1") == []
    assert "no claim gets one" not in caplog.text
    monkeypatch.setattr(claim, "UNCLAIMED_SECONDS", 0.0)
    for _ in range(3):
        assert await store.claim({"api": 5}, "r1") == []
        assert await store.next_due(["api"]) == 0
    assert caplog.text.count("no claim gets one") == 1
