from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from time import time
from typing import Any

import pytest
from tests.dashboard.scene import scripted_rates

from sp00ky_core import Outbox, Rates
from sp00ky_core.errors import CallUnsupported
from sp00ky_core.metrics.rates import percentile
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
        assert api.p95 == pytest.approx(0.25 + 0.25 * 0.95)
        assert f"{api.attempts:,} attempts" in api.summary
        assert [each["label"] for each in api.chart["lines"]] == ["Succeeded", "To be repeated", "Failed"]


SHARED = """\
store: memory://
backends:
  api: {spec: api.json, baseUrl: 'http://127.0.0.1:1', method: {table: job}}
  mail: {spec: mail.json, baseUrl: 'http://127.0.0.1:2', method: {table: job}}
"""


async def test_backends_that_share_a_table_have_one_series(tmp_path: Path) -> None:
    for name in ("api", "mail"):
        spec = {
            "openapi": "3.1.0",
            "info": {"title": name, "version": "1"},
            "paths": {f"/{name}": {"post": {"responses": {"200": {"description": "done"}}}}},
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(spec))
    file = tmp_path / "sp00ky.yml"
    file.write_text(SHARED)
    fast, slow = ((0,) * n + (10,) + (0,) * (14 - n) for n in (3, 9))

    async def rates(*, since: datetime, until: datetime, step: timedelta | None = None) -> list[Rates]:
        length = step or until - since
        counts = {"api": ("success", fast), "mail": ("failed", slow)}
        return [
            Rates(
                at=since + n * length,
                seconds=length.total_seconds(),
                backend=name,
                attempts=10,
                outcomes={outcome: 10},
                buckets=buckets,
            )
            for n in range(int((until - since) / length))
            for name, (outcome, buckets) in counts.items()
        ]

    async with Outbox.open(file) as outbox:
        outbox.rates = rates  # type: ignore[method-assign, assignment]
        found = await series(outbox, RANGES["hour"])
    assert found is not None
    (both,) = found.values()
    assert [*found] == ["api"]
    assert (both.attempts, both.failures, len(both.times)) == (20, 10, 60)
    assert (both.succeeded[0], both.failed[0]) == (10.0, 10.0)
    assert both.p95 == percentile([a + b for a, b in zip(fast, slow, strict=True)], 0.95)


async def test_a_store_without_rollups_has_none(outbox: Outbox) -> None:
    async def rates(**_: Any) -> Any:
        raise CallUnsupported(store="memory://", call="rates", instead="another store")

    outbox.rates = rates  # type: ignore[attr-defined]
    assert await series(outbox, RANGES["hour"]) is None
