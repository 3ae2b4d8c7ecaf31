"""When a simulated runner may send."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.config import BackendConfig, BreakerConfig, RateConfig
from sp00ky_core.outcome import CONNECT, HTTP_STATUS, Delivered, Undelivered
from sp00ky_core.planner.gate import Gate

REFUSED = Undelivered(name=CONNECT)
BAD_GATEWAY = Undelivered(name=HTTP_STATUS, code=502)


def gate(**keys: Any) -> Gate:
    return Gate(BackendConfig(name="api", spec=Path(), base_url="http://unset.invalid", **keys))


def opened() -> Gate:
    made = gate(breaker=BreakerConfig(failures=2, interval=1.0))
    for _ in range(2):
        assert not made.note(BAD_GATEWAY, now=0.0, took=0.1, is_probe=False)
    return made


def test_places_are_limited() -> None:
    made = gate(concurrency=5, max_in_flight=3)
    assert made.wait(0.0, 2) == 0
    assert made.wait(0.0, 3) == math.inf


def test_a_breaker_opens_and_hands_out_one_probe_at_a_time() -> None:
    made = opened()
    assert made.wait(0.0, 0) == pytest.approx(1.0)
    assert made.wait(1.0, 0) == 0
    assert made.take(1.0)
    assert made.wait(1.0, 1) == math.inf
    assert not made.note(BAD_GATEWAY, now=1.1, took=0.1, is_probe=True)
    assert made.wait(1.1, 0) == pytest.approx(1.9)
    assert made.take(3.0)
    assert not made.note(Delivered(), now=3.1, took=0.1, is_probe=True)
    assert made.wait(3.1, 0) == 0
    assert not made.take(3.1)


def test_a_probe_that_could_not_connect_does_not_count() -> None:
    made = opened()
    assert made.take(1.0)
    assert made.note(REFUSED, now=1.1, took=0.1, is_probe=True)


def test_a_rate_is_kept() -> None:
    made = gate(rate=RateConfig(limit=10, per=1.0, burst=2))
    for _ in range(2):
        assert made.wait(0.0, 0) == 0
        made.take(0.0)
    assert made.wait(0.0, 0) == pytest.approx(0.1)
    assert made.wait(0.1, 0) == 0


def test_throttled_answers_pause() -> None:
    made = gate(concurrency=1)
    made.ramp_up.throttled(0.0, 0.0, 4.0)
    assert made.wait(0.0, 0) == pytest.approx(4.0)
