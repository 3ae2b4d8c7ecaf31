from datetime import UTC, datetime

import attrs
import pytest
from tests.dashboard.scene import rollups

from sp00ky_core import Outbox
from sp00ky_dashboard.observe.rates import RANGES, Series, attempts, series_of, written_until

NOW = datetime.now(UTC).replace(minute=7, second=30)
"""In the middle of a quarter of an hour, and not so long ago that minutes are folded."""


async def series(outbox: Outbox, name: str, now: datetime, *backends: str) -> Series:
    found = await attempts(outbox, RANGES[name], written_until(now))
    assert found is not None
    return series_of(found, backends)


@pytest.mark.parametrize(("name", "count"), [("hour", 60), ("day", 97)])
async def test_rates_are_per_minute_in_each_step(outbox: Outbox, name: str, count: int) -> None:
    written = [rollup for rollup in rollups(NOW, 26 * 60) if rollup.backend == "api"]
    steady = [attrs.evolve(rollup, count=6) for rollup in written if rollup.outcome == "success"]
    await outbox.store.write_rollups(steady)
    found = await series(outbox, name, NOW, "api")
    assert len(found.times) == count
    assert set(found.succeeded) == {6.0}, "also in the last step, which hasn't ended"
    assert found.attempts == 6 * sum(found.times[0] <= rollup.minute.timestamp() for rollup in steady)


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
    assert [line["label"] for line in api.chart["lines"]] == ["Succeeded", "Retried", "Failed"]
