"""A backend with limits is claimed for when a token may come."""

from __future__ import annotations

import pytest

from sp00ky_core.gate.limits import Limit


def test_until_the_next_token_nothing_is_claimed() -> None:
    limit = Limit()
    limit.claimed(10.0, 0.5, is_served=True)
    assert limit.until == 10.5
    limit.claimed(10.5, None, is_served=False)
    assert limit.until == 10.5


def test_where_a_job_has_ended_another_may_be_claimed() -> None:
    limit = Limit()
    limit.claimed(10.0, 0.25, is_served=True)
    limit.forget()
    assert limit.until == 0


def test_a_claim_that_was_cut_off_is_repeated_at_once_as_long_as_it_finds_jobs() -> None:
    limit = Limit()

    def wait(*, is_served: bool) -> float:
        limit.claimed(10.0, 0.0, is_served=is_served)
        return limit.until - 10.0

    assert wait(is_served=True) == 0
    waits = [wait(is_served=False) for _ in range(12)]
    assert waits[:3] == pytest.approx([0.001, 0.002, 0.004])
    assert waits[-1] == 0.25
    assert wait(is_served=True) == 0
    assert wait(is_served=False) == pytest.approx(0.001)
