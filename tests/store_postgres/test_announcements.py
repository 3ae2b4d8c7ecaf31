"""Runners of other processes hear of what no INSERT announces."""

import asyncio
from typing import Any

import pytest

from sp00ky_core.config import BreakerConfig
from sp00ky_core.gate.breaker import Breaker, BreakerChange, BreakerState, Failed, change_after
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.stores.transitions import kill, redrive, reschedule
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.connection import executor


@pytest.mark.parametrize("what", ["pause", "resume", "reschedule", "redrive"])
async def test_another_store_s_signal_fires(store: PostgresStore, make: Any, new_job: Any, what: str) -> None:
    (job,) = await store.add([new_job()])
    if what == "redrive":
        await kill(store, [job.id])
    other = make()
    await other.open()
    signal = other.work_signal()
    async with asyncio.timeout(60):
        await anext(signal)  # it is subscribed
        waiting = asyncio.ensure_future(anext(signal))
        await asyncio.sleep(0)
        acts = {
            "pause": lambda: store.pause("api"),
            "resume": lambda: store.resume("api"),
            "reschedule": lambda: reschedule(store, [job.id], Rescheduled(delay=0)),
            "redrive": lambda: redrive(store, [job.id]),
        }
        await acts[what]()
        await waiting
    await signal.aclose()
    await other.close()


async def test_what_is_written_stays_where_nobody_can_be_notified(
    store: PostgresStore, new_job: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await store.add([new_job()])
    (job,) = await store.claim({"api": 1}, "r1")
    opens = change_after("api", Breaker(), Failed(retry_after=0), BreakerConfig(failures=1, interval=60))
    assert opens is not None
    breaker = (await store.change_breaker(opens)).breaker
    closes = BreakerChange(backend="api", before=breaker, to=BreakerState.CLOSED, failures=0)
    monkeypatch.setattr(executor, "NOTIFY", "SELECT 1 / 0, $1::text")
    assert (await store.change_breaker(closes)).written
    assert await store.release("r1", keep=[]) == [job.id]
    assert caplog.text.count("by polling") == 2
