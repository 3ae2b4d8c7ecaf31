"""What a forecast says of the jobs that arrive."""

from __future__ import annotations

from sp00ky_core.planner.outage import Forecast


def forecast(*arrivals: float) -> Forecast:
    return Forecast(failure="503", breaker=True, failed=1, requests=9, arrivals=arrivals)


def test_shares_of_the_arrivals() -> None:
    found = forecast(*map(float, range(1, 101)))
    assert (found.delivered, found.arrived(0.5), found.arrived(0.95), found.arrived(1.0)) == (
        100,
        50,
        95,
        100,
    )
    assert forecast(7.0).arrived(0.5) == 7


def test_nothing_arrives() -> None:
    assert forecast().to_json() == {
        "failure": "503",
        "breaker": True,
        "delivered": 0,
        "failed": 1,
        "requests": 9,
        "after_end_s": {"p50": None, "p95": None, "last": None},
    }
