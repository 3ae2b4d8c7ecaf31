"""Decide when a job is tried again: policies and the strategies that shape them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NewType

import attrs

from sp00ky_core.error_texts import shown
from sp00ky_core.errors import OptionInvalid, UnknownStrategy

__all__ = ["MAX_RETRIES", "STRATEGIES", "PluginStrategy", "RetryPolicy", "Strategy", "StrategyName"]
__all__ += ["exponential", "linear", "next_delay"]

MAX_RETRIES = 1_000
"""The most retries that a job may be allowed."""


def check_max_retries(_instance: object, _field: object, value: object) -> None:
    """Validate a field of an attrs class: an int from 0 to 1,000."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_RETRIES:
        raise OptionInvalid(
            option="max_retries", value=shown(value), expected=f"an integer from 0 to {MAX_RETRIES}"
        )


def _number(low: float, high: float = math.inf) -> Any:
    def check(_instance: object, field: attrs.Attribute[Any], value: object) -> None:
        met = isinstance(value, int | float) and not isinstance(value, bool)
        # Compared rather than converted: an int beyond float is still a number here.
        met = met and value == value and low <= value <= high and value != math.inf  # type: ignore[operator]  # noqa: PLR0124  # NaN
        if not met:
            bounds = f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
            raise OptionInvalid(option=field.name, value=shown(value), expected=f"a number, {bounds}")

    return check


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """The limits of a job's retries: how often, how soon.

    Attributes:
        strategy: The strategy's name.
        max_retries: Attempts after the first.
        base: Seconds.
        factor: Of ``exponential``: each delay is so many times the one before.
        cap: Seconds.
        jitter: Share of the delay, both ways.

    Raises:
        OptionInvalid: a value out of its range.
    """

    strategy: str = "linear"
    max_retries: int = attrs.field(default=3, validator=check_max_retries)
    base: float = attrs.field(default=1.0, validator=_number(0))
    factor: float = attrs.field(default=2.0, validator=_number(1))
    cap: float = attrs.field(default=900.0, validator=_number(0))
    jitter: float = attrs.field(default=0.1, validator=_number(0, 1))


PluginStrategy = NewType("PluginStrategy", str)
"""The name of a strategy that a plugin registers: ``PluginStrategy("fibonacci")``, so that a type checker
finds each other name that is misspelt."""

StrategyName = Literal["linear", "exponential"] | PluginStrategy
"""The name of how a job's retries are spaced, as whoever enqueues it gives it. What was read from a row, a
file or a terminal is a ``str``: whether there is such a strategy is known when the name is used."""

Strategy = Callable[[RetryPolicy, int], float]
"""Seconds before the n-th retry (n from 1), before the cap and the jitter; may overflow or be infinite."""


def linear(policy: RetryPolicy, n: int) -> float:
    """Return ``base * n``."""
    return policy.base * n


def exponential(policy: RetryPolicy, n: int) -> float:
    """Return ``base * factor ** (n - 1)``."""
    return policy.base * float(policy.factor) ** (n - 1)


STRATEGIES: Mapping[str, Strategy] = {"linear": linear, "exponential": exponential}
"""The built-in strategies by name; plugins register others."""


def next_delay(
    policy: RetryPolicy,
    n: int,
    *,
    random: float = 0.5,
    retry_after: float | None = None,
    strategies: Mapping[str, Strategy] = STRATEGIES,
) -> float:
    """Return the seconds to wait before the n-th retry.

    A finite number in [0, cap * (1 + jitter)], for n from 1 up to 10**6 and more. ``random`` is uniform in
    [0, 1), 0.5 means no jitter; ``retry_after``, what the backend asked for, raises it, up to the cap.

    Raises:
        UnknownStrategy: the policy names an unknown one.
    """
    strategy = strategies.get(policy.strategy)
    if strategy is None:
        raise UnknownStrategy(strategy=policy.strategy, known=tuple(strategies))
    cap = min(policy.cap, MAX_CAP)
    delay = _capped(strategy, policy, n, cap) * (1 + policy.jitter * (2 * random - 1))
    if retry_after is not None and retry_after > 0:
        delay = max(delay, min(retry_after, cap))
    return delay


MAX_CAP = 10 * 365 * 86_400.0  # ten years: what every database's clock can add


def _capped(strategy: Strategy, policy: RetryPolicy, n: int, cap: float) -> float:
    if policy.base == 0 and strategy in STRATEGIES.values():
        return 0.0  # 0 * infinity
    try:
        seconds = float(strategy(policy, n))
    except Exception:  # noqa: BLE001  # an overflow, or whatever a plugin's strategy raises
        return cap
    return cap if math.isnan(seconds) else min(max(seconds, 0.0), cap)
