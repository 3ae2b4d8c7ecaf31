"""A runner writes what it has counted, by the minute of the database's clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sp00ky_conformance import FaultyStore
from sp00ky_conformance.faults import Fault
from sp00ky_core.observe.rates import Counters
from sp00ky_core.ports import RollupQuery, Store
from sp00ky_core.ports.statistics import step_of
from sp00ky_core.runner import RunnerOptions
from sp00ky_core.runner.counters_and_log import Observer
from sp00ky_core.runner.maintenance.rollups import RollupWriter

KIND = ("api", "/spookify", "success", 200)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def writer_of(store: Store, counters: Counters, **options: Any) -> RollupWriter:
    return RollupWriter(store, RunnerOptions(runner_id="r1", **options), Observer(counters=counters))


async def test_what_cannot_be_written_is_written_later(make_bench: Any) -> None:
    bench, counters, failing = await make_bench(), Counters(), False

    def fault(method: str) -> Fault | None:
        return Fault(lost_reply=True) if failing and method == "write_rollups" else None

    writer = writer_of(FaultyStore(bench.store, fault), counters)
    await writer._write()  # which reads the clock
    failing = True
    counters.attempt(KIND, 0.1)
    await writer.stop()
    failing = False
    counters.attempt(KIND, 0.1)
    await writer.stop()
    rows = await bench.store.rollups(RollupQuery(since=LONG_AGO))
    assert [row.count for row in rows] == [2], "a write that is repeated counts nothing twice"


async def test_as_long_as_the_databases_clock_is_not_known_nothing_is_dated(make_bench: Any) -> None:
    bench, counters, failing = await make_bench(), Counters(), True
    writer = writer_of(FaultyStore(bench.store, lambda method: Fault() if failing else None), counters)
    counters.attempt(KIND, 0.1)
    await writer.stop()
    failing = False
    await writer.stop()
    (row,) = await bench.store.rollups(RollupQuery(since=LONG_AGO))
    assert row.count == 1


async def test_a_minute_is_written_while_it_goes_on(make_bench: Any) -> None:
    bench, counters, at = await make_bench(), Counters(), datetime.now(UTC).replace(second=20)
    store, begin = bench.store, step_of(at, 60)
    store.now = lambda: at
    writer = writer_of(store, counters, clock=lambda: store.now().timestamp())
    await writer._write()
    counts = []
    for seconds in (0, 40, 0, 3, -60, 60):  # the second ends the minute; the last but one goes back
        at += timedelta(seconds=seconds)
        counters.attempt(KIND, 0.1)
        writer._make_rows()
        await writer._write()
        rows = await store.rollups(RollupQuery(since=LONG_AGO, step=60))
        counts.append({(row.minute - begin).total_seconds(): row.count for row in rows})
    assert counts == [
        {0: 1},
        {0: 2},
        {0: 2, 60: 1},
        {0: 2, 60: 2},
        {0: 2, 60: 3},
        {0: 3, 60: 3},
    ]
