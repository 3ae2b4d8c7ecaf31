"""How a forecast looks."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from sp00ky_core.cli.plan.table import brief, forecast_lines
from sp00ky_core.config import BackendConfig
from sp00ky_core.planner.outage import Forecast, Outage

BACKEND = BackendConfig(name="api", spec=Path(), base_url="http://unset.invalid")


def lines(*found: Forecast) -> list[str]:
    outage = Outage(seconds=60.0, jobs=100_000, latency=0.1)
    return [click.unstyle(line) for line in forecast_lines(BACKEND, outage, found)]


def test_numbers_stand_to_the_right_and_bars_show_what_there_is() -> None:
    most = Forecast(failure="503", breaker=False, failed=1, requests=400_000, arrivals=(3.0,) * 99_999)
    none = Forecast(failure="500", breaker=None, failed=100_000, requests=100_000, arrivals=())
    header, first, second = lines(most, none)[4:7]
    assert header.split()[1:] == ["breaker", "delivered", "failed", "requests", "half", "95", "%", "last"]
    assert first == "says 503  off         99,999        1  █████████░   400,000   3.0s   3.0s   3.0s"
    assert second == "says 500  either           0  100,000  ░░░░░░░░░░   100,000      -      -      -"


def test_a_timeline_shows_when_they_arrive() -> None:
    early = Forecast(failure="503", breaker=True, failed=0, requests=3, arrivals=(0.1, 0.1))
    late = Forecast(failure="429", breaker=None, failed=0, requests=3, arrivals=(0.1, 100.0, 100.0))
    title, first, second = lines(early, late)[-3:]
    assert title == "deliveries in the 100s after the outage"
    assert first == "says 503  on       █"
    assert second == f"says 429  either   ▄{' ' * 48}█"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0, "0ms"),
        (0.25, "250ms"),
        (1.25, "1.2s"),
        (61.0, "61s"),
        (1800, "30m"),
        (86_400, "24h"),
        (8e6, "93d"),
    ],
)
def test_durations_are_short(seconds: float | None, text: str) -> None:
    assert brief(seconds) == text
