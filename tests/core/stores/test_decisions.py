"""Rows that change between being read and being written."""

import math
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sp00ky_conformance.store.harness import new_job
from sp00ky_core.config import RateConfig
from sp00ky_core.job.job import Job
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_core.stores import FULL, Allowance
from sp00ky_core.stores.decisions import BEGINNING
from sp00ky_store_kit.memory import MemoryStore

OPTIONS = StoreOptions(url="memory://", tables=(JobTable(backend="api", table="job"),))


class Restless(MemoryStore):
    """Every row changes between the read and the write."""

    async def _lost(self, dead_runners: Collection[str], **guards: Any) -> list[Job]:
        found = await super()._lost(dead_runners, **guards)
        return [attrs.evolve(found[0], lease_epoch=99), *found[1:]]


async def test_reclaim_tells_only_of_what_was_written() -> None:
    store = Restless(OPTIONS)
    await store.add([new_job(), new_job()])
    claimed = await store.claim({"api": 2}, "r")
    written = await store.reclaim({"r": BEGINNING})
    assert [settlement.job_id for settlement in written] == [claimed[1].id]


NOW = datetime(2030, 1, 1, tzinfo=UTC)
PLAIN = JobTable(backend="api", table="job")
RATED = attrs.evolve(PLAIN, rate=RateConfig(limit=50, per=1.0, burst=10))
NARROW = attrs.evolve(PLAIN, max_in_flight=3)

rates = st.builds(
    RateConfig, limit=st.integers(1, 1_000_000), per=st.floats(0.001, 86_400), burst=st.integers(1, 1_000_000)
)
allowances = st.builds(
    Allowance,
    tokens=st.floats(-1.0, 1e6) | st.just(math.inf),
    per_second=st.floats(1e-3, 1e9),
    places=st.integers(-5, 1_000) | st.just(math.inf),
    is_ahead=st.booleans(),
)
slots = st.integers(0, 1_000)


@pytest.mark.parametrize(
    ("allowance", "granted"),
    [
        (Allowance(), 7),
        (Allowance(tokens=2.9), 2),
        (Allowance(tokens=0.9), 0),
        (Allowance(places=3), 3),
        (Allowance(places=-2), 0),
        (Allowance(tokens=5.5, places=4), 4),
    ],
)
def test_the_tighter_limit_counts(allowance: Allowance, granted: int) -> None:
    assert allowance.grant(7) == granted


@pytest.mark.parametrize(
    ("allowance", "asked", "taken", "seconds"),
    [
        (Allowance(tokens=2.5, per_second=10.0), 9, 2, 0.05),
        (Allowance(tokens=0.0, per_second=10.0), 9, 0, 0.1),
        (Allowance(tokens=0.0, per_second=3.0), 9, 0, 0.333334),
        (Allowance(places=3), 9, 3, FULL),
        (Allowance(places=0), 9, 0, FULL),
        (Allowance(tokens=1.0, per_second=1.0, places=1), 9, 1, 1.0),
        (Allowance(tokens=1.0, per_second=100.0, places=1), 9, 1, FULL),
        # Where limits left nothing behind, nothing is waited for.
        (Allowance(), 9, 9, None),
        (Allowance(tokens=3.0), 3, 3, None),
        (Allowance(tokens=3.0), 9, 1, None),
        (Allowance(places=3), 9, 2, None),
    ],
)
def test_when_there_may_be_more(allowance: Allowance, asked: int, taken: int, seconds: float | None) -> None:
    assert allowance.retry_in(asked, taken) == (seconds and pytest.approx(seconds))


@pytest.mark.parametrize(
    ("tokens", "at", "expected"),
    [
        (None, None, 10),
        (1.5, NOW, 1.5),
        (1.5, NOW - timedelta(seconds=0.1), 6.5),
        (1.5, NOW - timedelta(hours=1), 10),
        (1.5, NOW + timedelta(hours=1), 1.5),
        (99.0, NOW, 10),
    ],
)
def test_tokens_come_at_the_rate_up_to_the_burst(
    tokens: float | None, at: datetime | None, expected: float
) -> None:
    allowance = Allowance.of(RATED, NOW, tokens=tokens, at=at, in_flight=99)
    assert allowance.tokens == pytest.approx(expected)
    assert (allowance.per_second, allowance.places) == (50.0, math.inf)


def test_what_may_be_under_way_takes_a_place() -> None:
    assert Allowance.of(NARROW, NOW, tokens=None, at=None, in_flight=2) == Allowance(places=1)


def test_without_limits_nothing_is_counted_nor_written_down() -> None:
    allowance = Allowance.of(PLAIN, NOW, tokens=1.0, at=NOW + timedelta(hours=1), in_flight=7)
    assert allowance == Allowance()
    assert allowance.tokens_after(3) is None


def test_tokens_are_written_down_where_some_were_taken_or_the_clock_has_gone_back() -> None:
    assert Allowance.of(RATED, NOW, tokens=5.0, at=NOW).tokens_after(2) == 3.0
    assert Allowance.of(RATED, NOW, tokens=5.0, at=NOW).tokens_after(0) is None
    assert Allowance.of(RATED, NOW, tokens=0.4, at=NOW + timedelta(hours=1)).tokens_after(0) == 0.4


@given(allowances, slots)
def test_a_claim_is_granted_what_all_limits_have(allowance: Allowance, asked: int) -> None:
    granted = allowance.grant(asked)
    assert 0 <= granted <= asked
    assert granted == 0 or (granted <= allowance.tokens and granted <= allowance.places)
    assert granted == asked or granted + 1 > min(allowance.tokens, allowance.places)


@given(allowances, slots, slots)
def test_it_is_repeated_only_where_limits_left_something(
    allowance: Allowance, asked: int, taken: int
) -> None:
    wait = allowance.retry_in(asked, taken)
    assert (wait is not None) == (taken == allowance.grant(asked) < asked)
    assert wait is None or wait > 0


@given(rates, st.floats(0, 1e6), slots)
def test_after_the_wait_there_is_a_token(rate: RateConfig, tokens: float, asked: int) -> None:
    table = attrs.evolve(PLAIN, rate=rate)
    allowance = Allowance.of(table, NOW, tokens=tokens, at=NOW)
    taken = allowance.grant(asked)
    wait, left = allowance.retry_in(asked, taken), allowance.tokens_after(taken)
    if wait is not None:
        later = NOW + timedelta(seconds=wait, microseconds=1)
        again = Allowance.of(table, later, tokens=tokens if left is None else left, at=NOW)
        assert again.grant(1) == 1


@given(rates, st.lists(st.tuples(st.integers(-3_600_000, 3_600_000), slots), max_size=30))
def test_whatever_the_clock_does_no_more_is_granted_than_burst_and_rate_allow(
    rate: RateConfig, claims: list[tuple[int, int]]
) -> None:
    table, now, gone, granted = attrs.evolve(PLAIN, rate=rate), NOW, 0.0, 0
    tokens: float | None = None
    at: datetime | None = None
    for milliseconds, asked in claims:
        now += timedelta(milliseconds=milliseconds)
        gone += max(milliseconds, 0) / 1_000
        allowance = Allowance.of(table, now, tokens=tokens, at=at)
        granted += (taken := allowance.grant(asked))
        if (left := allowance.tokens_after(taken)) is not None:
            tokens, at = left, now
        assert granted <= rate.burst + gone * rate.per_second * (1 + 1e-9) + 1e-6
