"""The memory store's breakers: a pause passes, a probe is one runner's, a change has a guard."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sp00ky_core.breaker import Breaker, BreakerChange, BreakerState
from sp00ky_core.job import NewJob
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.memory.breaker import MemoryBreakers
from sp00ky_core.stores.memory.table import MemoryTable
from sp00ky_core.stores.rows import new_row

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
OPENED = BreakerChange(backend="api", before=Breaker(), to=BreakerState.OPEN, failures=3, pause=5)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_backend_that_never_failed_has_a_new_one() -> None:
    assert MemoryBreakers().read("api", NOW) == Breaker()


def test_a_change_is_written_once() -> None:
    breakers = MemoryBreakers()
    assert breakers.change(OPENED, NOW).written
    again = breakers.change(OPENED, NOW)
    assert not again.written
    assert again.breaker == Breaker(state=BreakerState.OPEN, failures=3, paused_for=5)
    assert breakers.read("mail", NOW) == Breaker()
    assert breakers.stats("api", later(2)).paused_for_s == 3


def test_after_its_pause_one_job_is_let_through() -> None:
    breakers, table = MemoryBreakers(), MemoryTable(JobTable(backend="api", table="job"))
    for key in ("1", "2"):
        table.put(
            new_row(
                NewJob(path="/a", backend="api", max_retries=3, retry_strategy="linear"), f"job:{key}", NOW
            )
        )
    breakers.change(OPENED, NOW)
    assert breakers.claim(table, 9, "r", later(1))[0] == []
    (probe,), breaker = breakers.claim(table, 9, "r", later(6))
    assert probe.runner_id == "r"
    assert (breaker.state, breaker.probe_runner) == (BreakerState.HALF_OPEN, "r")
    assert breakers.claim(table, 9, "other", later(6))[0] == []
    closing = BreakerChange(backend="api", before=breaker, to=BreakerState.CLOSED, failures=0)
    assert breakers.change(closing, later(7)).breaker == Breaker()
    assert len(breakers.claim(table, 9, "r", later(7))[0]) == 1
