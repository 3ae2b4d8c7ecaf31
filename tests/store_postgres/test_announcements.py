"""Runners of other processes hear of what no INSERT announces."""

from typing import Any

import pytest

from sp00ky_core.config import BreakerConfig
from sp00ky_core.gate.breaker import Breaker, BreakerChange, BreakerState, Failed, change_after
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.connection import statements


async def test_what_is_written_stays_where_nobody_can_be_notified(
    store: PostgresStore, new_job: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await store.add([new_job()])
    (job,) = await store.claim({"api": 1}, "r1")
    opens = change_after("api", Breaker(), Failed(retry_after=0), BreakerConfig(failures=1, interval=60))
    assert opens is not None
    breaker = (await store.change_breaker(opens)).breaker
    closes = BreakerChange(backend="api", before=breaker, to=BreakerState.CLOSED, failures=0)
    monkeypatch.setattr(statements, "NOTIFY", "SELECT 1 / 0, $1::text")
    assert (await store.change_breaker(closes)).written
    assert await store.release("r1", keep=[]) == [job.id]
    assert caplog.text.count("by polling") == 2
