"""A runner writes what it has counted, by the minute of the database's clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sp00ky_conformance import FaultyStore
from sp00ky_conformance.faults import Fault
from sp00ky_core.observe.rates import Counters
from sp00ky_core.ports import RollupQuery, Store
from sp00ky_core.runner import RunnerOptions
from sp00ky_core.runner.maintenance.rollups import MOST_UNWRITTEN, RollupWriter
from sp00ky_core.runner.observer import Observer

KIND = ("api", "/spookify", "success", 200)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def writer_of(store: Store, counters: Counters) -> RollupWriter:
    return RollupWriter(store, RunnerOptions(runner_id="r1"), Observer(counters=counters))


async def test_a_runner_that_stops_has_written_its_last_minute(make_bench: Any) -> None:
    bench = await make_bench()
    jobs = [await bench.add() for _ in range(3)]
    async with bench.runner():
        for job in jobs:
            await bench.ended(job)
    (row,) = await bench.store.rollups(RollupQuery(since=LONG_AGO, routes=True))
    assert (row.backend, row.path, row.outcome, row.code) == ("api", "/spookify", "success", 200)
    assert (row.count, sum(row.buckets)) == (3, 3)
    assert row.seconds_sum > 0


async def test_minutes_are_the_databases(make_bench: Any) -> None:
    bench, counters = await make_bench(), Counters()
    writer = writer_of(bench.store, counters)
    await writer._write()  # which reads the clock
    counters.attempt(KIND, 0.1)
    await writer.stop()
    (row,) = await bench.store.rollups(RollupQuery(since=LONG_AGO, step=60))
    now = await bench.store.write_rollups([])
    assert now - timedelta(minutes=2) < row.minute <= now


async def test_a_clock_that_goes_back_costs_no_row_and_dates_none_ahead(make_bench: Any) -> None:
    bench, counters = await make_bench(), Counters()
    writer = writer_of(bench.store, counters)
    day, half = timedelta(days=1), timedelta(seconds=30)
    for at in (LONG_AGO, LONG_AGO + day, LONG_AGO, LONG_AGO + half, LONG_AGO + 2 * half):
        counters.attempt(KIND, 0.1)
        writer._date(at)
    writer._date(LONG_AGO + timedelta(hours=1))  # in which nothing ended
    await writer._write()
    rows = await bench.store.rollups(RollupQuery(since=LONG_AGO - day, step=60))
    found = {row.minute: row.count for row in rows}
    assert found == {LONG_AGO: 3, LONG_AGO + 2 * half: 1, LONG_AGO + day: 1}


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


def test_few_rows_wait_for_a_database_that_is_away(make_bench: Any) -> None:
    counters = Counters()
    for code in range(100, 600):
        counters.attempt(("api", "/spookify", "failed", code))
    writer = RollupWriter(None, RunnerOptions(), Observer(counters=counters))  # type: ignore[arg-type]  # it isn't asked
    for n in range(30):
        writer._date(LONG_AGO + timedelta(minutes=n))
        for code in range(100, 600):
            counters.attempt(("api", "/spookify", "failed", code))
    assert len(writer._unwritten) == MOST_UNWRITTEN
