"""Counts in a second."""

from __future__ import annotations

import pytest

from sp00ky_core.cli.live.meter import WINDOW, Meter


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_rate_is_of_the_last_seconds(clock: Clock) -> None:
    meter = Meter(clock)
    assert meter.per_second() == 0
    for _ in range(30):
        clock.now += 1
        meter.add(5)
    assert (meter.total, meter.per_second()) == (150, 5.0)
    clock.now += WINDOW / 2
    assert meter.per_second() < 5
    clock.now += WINDOW
    assert meter.per_second() == 0


def test_a_count_that_is_kept_elsewhere(clock: Clock) -> None:
    meter = Meter(clock)
    meter.start(1_000)
    clock.now += 2
    meter.reach(1_010)
    assert meter.per_second() == 5
    meter.reach(3)  # retention deletes
    clock.now += 1
    assert meter.per_second() == 0
    meter.reach(4)
    assert meter.per_second() == 1
