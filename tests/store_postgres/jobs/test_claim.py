"""Triggers of a user's that fail in one way or another: whose fault it is, a row's or everybody's."""

from typing import Any

import pytest

from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.jobs import claim


async def test_it_is_logged_once_that_no_claim_gets_what_is_due(
    store: PostgresStore,
    new_job: Any,
    rule: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await store.add([new_job(path="/bad")])
    await rule("NEW.status = 'processing' AND NEW.path = '/bad'", "RETURN NULL")
    assert await store.claim({"api": 5}, "r1") == []
    assert await store.next_due(["api"]) == 0
    assert await store.claim({"api": 5}, "r1") == []
    assert "no claim gets one" not in caplog.text
    monkeypatch.setattr(claim, "UNCLAIMED_SECONDS", 0.0)
    for _ in range(3):
        assert await store.claim({"api": 5}, "r1") == []
        assert await store.next_due(["api"]) == 0
    assert caplog.text.count("no claim gets one") == 1
