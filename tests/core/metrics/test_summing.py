"""Rollups are summed up by step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sp00ky_core.metrics.summing import hour_of, step_of, summed
from sp00ky_core.ports import BUCKETS, Rollup, RollupQuery

AT = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)


def test_steps_begin_at_multiples_since_1970() -> None:
    assert hour_of(AT) == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert step_of(AT, 300) == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def test_rows_of_several_runners_and_routes_are_one() -> None:
    one = Rollup(minute=step_of(AT, 60), runner_id="a", backend="api", path="/a", outcome="success", count=2)
    rows = [
        one,
        Rollup(minute=one.minute, runner_id="b", backend="api", path="/b", outcome="success", count=3),
    ]
    (row,) = summed(rows, RollupQuery(since=AT - timedelta(hours=1)))
    assert (row.minute, row.runner_id, row.path, row.count) == (AT - timedelta(hours=1), "", "", 5)
    assert row.buckets == (0,) * BUCKETS
    assert [each.path for each in summed(rows, RollupQuery(since=AT, routes=True))] == ["/a", "/b"]
