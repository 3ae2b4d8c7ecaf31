"""Schedules: what a policy says, against formulas of its own."""

import math
from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sp00ky_conformance.strategies import policies
from sp00ky_core.errors import OptionInvalid, UnknownStrategy
from sp00ky_core.job.retry import MAX_CAP, RetryPolicy, next_delay

RANDOM = st.floats(0, 1, exclude_max=True)
RETRIES = st.integers(1, 10**6) | st.integers(1, 50)


def linear(policy: RetryPolicy, n: int) -> Decimal:
    exact = min(Fraction(policy.base) * n, Fraction(policy.cap))
    return Decimal(exact.numerator) / Decimal(exact.denominator)


def exponential(policy: RetryPolicy, n: int) -> Decimal:
    wide = Context(prec=60, Emax=10**17, Emin=-(10**17), traps=[])
    power = wide.power(Decimal(policy.factor), n - 1)
    return min(wide.multiply(Decimal(policy.base), power), Decimal(policy.cap))


@pytest.mark.parametrize(("strategy", "formula"), [("linear", linear), ("exponential", exponential)])
@given(data=st.data(), n=RETRIES)
def test_the_delay_is_the_formula_capped(
    strategy: str, formula: Callable[[RetryPolicy, int], Decimal], data: Any, n: int
) -> None:
    policy = data.draw(
        st.builds(
            RetryPolicy,
            strategy=st.just(strategy),
            base=st.floats(0, 1e6, allow_subnormal=False),
            factor=st.floats(1, 10),
            cap=st.floats(0, 1e8),
            jitter=st.floats(0, 1),
        )
    )
    # `**` and the formula differ in the last bits, the more the larger the power is.
    expected = float(formula(policy, n))
    assert next_delay(policy, n) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(policies(), RETRIES, RETRIES)
def test_a_schedule_never_decreases_before_jitter(policy: RetryPolicy, one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert next_delay(policy, low) <= next_delay(policy, high)


@given(policies(), RETRIES, RANDOM, st.none() | st.floats(allow_nan=False))
def test_a_delay_is_finite_and_within_the_cap(
    policy: RetryPolicy, n: int, random: float, retry_after: float | None
) -> None:
    delay = next_delay(policy, n, random=random, retry_after=retry_after)
    assert math.isfinite(delay)
    cap = float(min(policy.cap, MAX_CAP))
    assert 0 <= delay <= cap * (1 + policy.jitter) * (1 + 1e-12)


@given(policies(), RETRIES, RANDOM)
def test_jitter_is_a_share_of_the_delay(policy: RetryPolicy, n: int, random: float) -> None:
    middle = next_delay(policy, n)
    share = policy.jitter * (1 + 1e-9)
    assert middle * (1 - share) - 1e-300 <= next_delay(policy, n, random=random) <= middle * (1 + share)


@given(policies(), RETRIES, RANDOM, st.floats(0, 1e12))
def test_retry_after_raises_the_delay_up_to_the_cap(
    policy: RetryPolicy, n: int, random: float, retry_after: float
) -> None:
    without = next_delay(policy, n, random=random)
    delay = next_delay(policy, n, random=random, retry_after=retry_after)
    assert delay == max(without, min(retry_after, policy.cap, MAX_CAP))


@pytest.mark.parametrize("said", [math.inf, math.nan, -5.0, 10**400, "soon", None, OverflowError()])
def test_a_plugins_strategy_cannot_break_the_schedule(said: Any) -> None:
    def strategy(_policy: RetryPolicy, _n: int) -> Any:
        if isinstance(said, Exception):
            raise said
        return said

    policy = RetryPolicy(strategy="mine", jitter=0.0, cap=60.0)
    expected = 0 if said == -5.0 else 60
    assert next_delay(policy, 1, strategies={"mine": strategy}) == expected


def test_an_unknown_strategy_is_named() -> None:
    with pytest.raises(UnknownStrategy, match=r"expontential.*did you mean 'exponential'"):
        next_delay(RetryPolicy(strategy="expontential"), 1)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        (option, value)
        for option in ("base", "factor", "cap", "jitter")
        for value in (-1, math.nan, math.inf, "1", True, None)
    ]
    + [("factor", 0.5), ("jitter", 1.5)],
)
def test_a_policy_refuses_what_is_out_of_range(option: str, value: Any) -> None:
    with pytest.raises(OptionInvalid) as raised:
        RetryPolicy(**{option: value})
    assert raised.value.option == option
