from datetime import UTC, datetime

import attrs
import pytest
from tests.dashboard.scene import rollups

from sp00ky_core import Outbox
from sp00ky_core.runner.maintenance import rollups as rollups_writer
from sp00ky_dashboard.observe.cache import Cache
from sp00ky_dashboard.observe.rates import RANGES, STEP, WRITTEN, Series, attempts, series_of
from sp00ky_dashboard.pages.event_stream import SHORTEST_SECONDS

NOW = datetime.now(UTC).replace(minute=7, second=30)
"""In the middle of a quarter of an hour, and not so long ago that minutes are folded."""


async def series(outbox: Outbox, name: str, now: datetime, *backends: str) -> Series:
    return series_of(await attempts(outbox, Cache().get, RANGES[name], now), backends)


@pytest.mark.parametrize(("name", "count"), [("hour", 61), ("day", 98)])
async def test_rates_are_per_minute_in_each_step(outbox: Outbox, name: str, count: int) -> None:
    written = [rollup for rollup in rollups(NOW, 26 * 60) if rollup.backend == "api"]
    steady = [attrs.evolve(rollup, count=6) for rollup in written if rollup.outcome == "success"]
    now_minute = attrs.evolve(steady[-1], minute=NOW.replace(second=0, microsecond=0), count=9)
    await outbox.store.write_rollups([*steady, now_minute])
    found = await series(outbox, name, NOW, "api")
    assert len(found.times) == count
    assert set(found.succeeded[:-1]) == {6.0}, "also in the last step but one, which hasn't ended"
    assert found.times[-1] == now_minute.minute.timestamp(), "the minute that goes on is there, 2 s ago"
    assert found.succeeded[-1] == round(60 * 9 / 28, 3)
    assert found.attempts == 9 + 6 * sum(found.times[0] <= rollup.minute.timestamp() for rollup in steady)


async def test_backends_that_share_a_table_are_one_series(outbox: Outbox) -> None:
    await outbox.store.write_rollups(rollups(NOW, 60))
    api, billing = [await series(outbox, "hour", NOW, backend) for backend in ("api", "billing")]
    both = await series(outbox, "hour", NOW, "api", "billing")
    assert both.attempts == api.attempts + billing.attempts
    assert both.attempts > both.retries > both.failures > 0
    assert api.p95 is not None
    assert billing.p95 is not None
    assert api.p95 < billing.p95
    assert f"{api.attempts:,} attempts" in api.summary
    assert [line["label"] for line in api.chart["lines"]] == ["Succeeded", "Retried", "Failed for good"]


def test_a_chart_is_behind_by_less_than_five_seconds() -> None:
    assert STEP == rollups_writer.STEP, "what is written is read as it is written"
    assert WRITTEN.total_seconds() > rollups_writer.SPREAD
    assert STEP + WRITTEN.total_seconds() + SHORTEST_SECONDS < 5, (
        "a second is left for the database, and the page"
    )
