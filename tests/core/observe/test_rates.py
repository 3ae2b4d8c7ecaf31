"""Rates and percentiles out of rollups."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.observe.rates import empty_in, percentile, query_of, rates_of
from sp00ky_core.ports import (
    BUCKET_BOUNDS,
    BUCKETS,
    COARSE_BOUNDS,
    Rollup,
    RollupQuery,
    coarse_buckets,
    fine_buckets,
)

NOW = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)
HOUR = timedelta(hours=1)
COUNTS = st.lists(st.integers(0, 1_000), min_size=BUCKETS, max_size=BUCKETS)


def buckets(counts: dict[float, int]) -> tuple[int, ...]:
    """Counts by the upper bound of their bucket."""
    return tuple(counts.get(bound, 0) for bound in (*BUCKET_BOUNDS, None))  # type: ignore[arg-type]  # the last


def test_a_percentile_lies_within_its_bucket() -> None:
    assert percentile(buckets({1.0: 100}), 0.5) == pytest.approx((0.82 + 1.0) / 2)
    assert percentile(buckets({0.5: 98, 5.0: 2}), 0.95) == pytest.approx(0.42 + 0.08 * 95 / 98)
    assert percentile(buckets({0.5: 98, 5.0: 2}), 0.99) == pytest.approx((4.2 + 5.0) / 2)


def test_what_takes_eight_seconds_shows_as_eight() -> None:
    """Not as what is spread from 5 to 10 would: 9.95."""
    alike, other = buckets({8.2: 100}), buckets({0.1: 2})
    fields: Any = {"minute": NOW, "backend": "api", "outcome": "success", "code": 200}
    slow = Rollup(**fields, count=100, seconds_sum=803.0, buckets=alike)
    fast = Rollup(**{**fields, "outcome": "failed"}, count=2, seconds_sum=0.2, buckets=other)
    query = RollupQuery(since=NOW)
    (rates,) = rates_of(query, NOW + HOUR, [slow], ["api"])
    assert rates.p50_s == rates.p99_s == pytest.approx(8.03)
    (rates,) = rates_of(query, NOW + HOUR, [slow, fast], ["api"])
    assert rates.p99_s == pytest.approx(8.2, abs=0.1)


def test_buckets_are_finer_than_those_of_metrics() -> None:
    assert set(COARSE_BOUNDS) <= set(BUCKET_BOUNDS)
    assert all(after <= before * 1.26 for before, after in pairwise(BUCKET_BOUNDS))
    counts = tuple(range(len(COARSE_BOUNDS) + 1))
    assert coarse_buckets(fine_buckets(counts)) == counts
    assert sum(coarse_buckets((1,) * BUCKETS)) == BUCKETS


@given(COUNTS)
def test_percentiles_grow(counts: list[int]) -> None:
    found = [percentile(counts, share) for share in (0.0, 0.5, 0.95, 0.99, 1.0)]
    known = [rate for rate in found if rate is not None]
    assert known == sorted(known)
    assert len(known) == (len(found) if any(counts) else 0)


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(OptionInvalid, match="since"):
        query_of(NOW, NOW + HOUR, None, None, None, routes=False)
    with pytest.raises(OptionInvalid, match="step"):
        query_of(NOW, NOW - HOUR, NOW + 20 * 720 * HOUR, timedelta(0), None, routes=False)


def test_longer_ago_than_attempts_are_kept_is_refused() -> None:
    assert query_of(NOW, NOW - 720 * HOUR, None, None, None, routes=False).until == NOW
    with pytest.raises(OptionInvalid, match="30 days ago at most"):
        query_of(NOW, NOW - 2 * 720 * HOUR, None, None, None, routes=False)


def rollup(minute: datetime, outcome: str, code: int, count: int, **fields: object) -> Rollup:
    given = {"backend": "api", "buckets": buckets({1.0: count}), "seconds_sum": 0.9 * count, **fields}
    return Rollup(minute=minute, outcome=outcome, code=code, count=count, **given)  # type: ignore[arg-type]


def test_each_backend_has_a_row_in_each_step() -> None:
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    query = RollupQuery(since=start, step=600)
    rows = [
        rollup(start, "success", 200, 6),
        rollup(start, "retry", 500, 3),
        rollup(start, "failed", 500, 1),
        rollup(start, "failed", 0, 2, backend="gone"),
    ]
    rates = rates_of(query, start + timedelta(minutes=15), rows, ["api", "mail"])
    assert [(rate.at - start, rate.backend, rate.attempts) for rate in rates] == [
        (timedelta(0), "api", 10),
        (timedelta(0), "gone", 2),
        (timedelta(0), "mail", 0),
        (timedelta(minutes=10), "api", 0),
        (timedelta(minutes=10), "mail", 0),
    ]
    first = rates[0]
    assert first.outcomes == {"success": 6, "retry": 3, "failed": 1, "throttled": 0, "unknown": 0}
    assert (first.codes, first.seconds, first.per_second) == ({500: 4}, 600, 10 / 600)
    assert [rate.seconds for rate in rates] == [600, 600, 600, 300, 300], "the last step is cut"
    assert (first.p50_s, first.p99_s) == (pytest.approx(0.9), pytest.approx(0.9))


@pytest.mark.parametrize(
    ("backlog", "spans", "expected"),
    [
        (0, [], (0.0, 0.0)),
        (100, [], None),
        (100, [(60.0, 0, 0)], None),
        (100, [(60.0, 60, 60)], None),  # as many come as go
        (100, [(60.0, 60, 90)], None),
        (100, [(15.0, 3, 0)], None),  # so few may be chance
        (10_000, [(15.0, 1_500, 0), (60.0, 6_000, 0)], (95.1, 105.4)),
        (10_000, [(15.0, 1_500, 0), (60.0, 3_000, 0)], (95.1, 207.6)),  # it was slower, or has just begun
        (10_000, [(60.0, 6_000, 3_000)], (188.1, 213.5)),
    ],
)
def test_an_end_is_foreseen_no_closer_than_it_is_known(backlog: int, spans: Any, expected: Any) -> None:
    assert empty_in(backlog, spans) == expected
