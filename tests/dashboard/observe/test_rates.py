from __future__ import annotations

from time import time
from typing import Any

from tests.dashboard.scene import scripted_rates

from sp00ky_core import Outbox
from sp00ky_core.errors import CallUnsupported
from sp00ky_dashboard.observe.rates import RANGES, series


async def test_each_backend_has_its_series(outbox: Outbox) -> None:
    outbox.rates = scripted_rates  # type: ignore[attr-defined]
    for name, count in (("hour", 60), ("day", 96)):
        found = await series(outbox, RANGES[name])
        assert found is not None
        api = found["api"]
        assert len(api.times) == len(api.succeeded) == len(api.failed) == count
        step = int(RANGES[name].step.total_seconds())
        assert all(at % step == 0 for at in api.times)
        assert api.times[-1] + step < time(), "a step that goes on reads as if little happened"
        assert api.attempts > api.retries > api.failures > 0
        assert api.p95 == 0.34
        assert f"{api.attempts:,} attempts" in api.summary
        assert [each["label"] for each in api.chart["lines"]] == ["Succeeded", "To be repeated", "Failed"]


async def test_a_store_without_rollups_has_none(outbox: Outbox) -> None:
    async def rates(**_: Any) -> Any:
        raise CallUnsupported(store="memory://", call="rates", instead="another store")

    outbox.rates = rates  # type: ignore[attr-defined]
    assert await series(outbox, RANGES["hour"]) is None
