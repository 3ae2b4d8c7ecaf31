"""An outbox measures its runners and its queue."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

import pytest

from sp00ky_conformance import FaultyStore
from sp00ky_conformance.faults import Fault
from sp00ky_core.errors import MetricsMissing
from sp00ky_core.metrics.outbox_metrics import Measures


async def test_all_runners_of_a_process_are_one(make_bench: Any) -> None:
    bench = await make_bench()
    measures = Measures(bench.jobs())
    assert not measures.is_ready
    for _ in range(2):
        async with measures.watched(bench.runner()):
            await bench.ended(await bench.add())
            assert measures.is_ready
    gc.collect()
    assert not measures.is_ready
    text = await measures.text()
    assert 'sp00ky_attempts_total{backend="api",code="200",outcome="success"} 2.0' in text
    assert 'sp00ky_jobs{backend="api",status="success"} 2.0' in text


async def test_the_queue_is_read_once_for_many_who_ask(make_bench: Any) -> None:
    bench = await make_bench()
    reads = []

    def fault(method: str) -> Fault | None:
        reads.append(method)
        return None

    measures = Measures(bench.jobs(FaultyStore(bench.store, fault)))
    await asyncio.gather(*(measures.text() for _ in range(20)))
    assert reads.count("stats") == 1


async def test_a_store_that_is_away_leaves_the_queue_out(make_bench: Any) -> None:
    bench = await make_bench()
    measures = Measures(bench.jobs(FaultyStore(bench.store, lambda _: Fault())))
    text = await measures.text()
    assert "sp00ky_jobs" not in text
    assert "sp00ky_store_errors_total" in text


async def test_the_library_that_is_missing_is_named(make_bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await make_bench()
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MetricsMissing, match=r"sp00ky_core\[metrics\]"):
        await Measures(bench.jobs()).text()
