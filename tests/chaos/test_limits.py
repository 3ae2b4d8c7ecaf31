"""The checker finds a rate that is passed, and more requests under way than there may be."""

from __future__ import annotations

import attrs
import pytest
from tests.chaos.checker import violations
from tests.chaos.histories import request
from tests.chaos.history import Disturbance, History, Limit, Request
from tests.chaos.limits import no_more_are_under_way, rates_are_kept

RATE, BURST = 50.0, 10


def at_the_rate(seconds: float, rate: float = RATE) -> list[float]:
    """When requests come that use a rate and its burst fully."""
    return [0.0] * BURST + [n / rate for n in range(1, int(seconds * rate))]


def history_of(instants: list[float], **limit: float) -> History:
    requests = [attrs.evolve(request(n, at=at), path="/calm") for n, at in enumerate(sorted(instants))]
    return History(requests=requests, limits=[Limit(path="/calm", **limit)])


def rated(instants: list[float]) -> History:
    return history_of(instants, rate=RATE, burst=BURST)


def lasting(number: int, since: float, until: float, *, runner: str = "r1") -> Request:
    made = attrs.evolve(request(number, at=since, runner=runner), path="/calm")
    return attrs.evolve(made, answered_at=until, gone_at=until)


def narrow(*requests: Request, at_once: int) -> History:
    return History(requests=list(requests), limits=[Limit(path="/calm", at_once=at_once)])


def test_a_rate_that_is_used_fully_is_kept() -> None:
    assert list(rates_are_kept(rated(at_the_rate(20)))) == []
    assert list(rates_are_kept(history_of([0.0] * 1_000))) == []


@pytest.mark.parametrize(("count", "is_found"), [(66, False), (67, True)])
def test_too_many_in_a_second_are_found(count: int, is_found: bool) -> None:
    found = list(rates_are_kept(rated([7.0 + n / 100 for n in range(count)])))
    assert any("in a second" in each for each in found) is is_found


@pytest.mark.parametrize(("factor", "is_found"), [(1.0, False), (1.04, False), (1.12, True)])
def test_a_rate_that_is_a_little_too_high_is_found_in_the_long_run(factor: float, is_found: bool) -> None:
    history = rated(at_the_rate(20, RATE * factor))
    assert bool(list(rates_are_kept(history))) is is_found


def test_a_burst_that_comes_again_and_again_is_found() -> None:
    again = [at for at in (5.5, 7.5, 9.5, 11.5) for _ in range(10)]
    (found,) = rates_are_kept(rated([*at_the_rate(20), *again]))
    assert "more than its rate" in found


def test_another_path_and_what_was_held_up_count_for_nothing() -> None:
    history = rated([*at_the_rate(6), *[6.0] * 100])
    surplus = history.requests[-100:]
    for each in surplus:
        each.path = "/wild"
    assert list(rates_are_kept(history)) == []
    for each in surplus:
        each.path, each.runner, each.begun = "/calm", "r9", 1.0
    assert list(rates_are_kept(history))
    history.disturbances = [Disturbance(kind="freeze", runner="r9", since=2.0, until=5.9)]
    assert list(rates_are_kept(history)) == []


def test_as_many_as_may_be_are_under_way() -> None:
    history = narrow(lasting(1, 1.0, 2.0), lasting(2, 1.5, 2.5), lasting(3, 2.0, 3.0), at_once=2)
    assert list(no_more_are_under_way(history)) == []
    history.requests.append(lasting(4, 2.4, 2.45))
    (found,) = no_more_are_under_way(history)
    assert "had 3 requests" in found


@pytest.mark.parametrize(("at", "is_found"), [(3.1, False), (2.9, True)])
def test_a_request_counts_until_its_timeout(at: float, is_found: bool) -> None:
    history = narrow(lasting(1, 1.0, 9.0), lasting(2, at, 3.2), at_once=1)
    assert bool(list(no_more_are_under_way(history))) is is_found


def test_a_request_whose_runner_was_killed_counts_for_its_lease() -> None:
    history = narrow(lasting(1, 1.0, 1.6), lasting(2, 12.0, 12.1, runner="r2"), at_once=1)
    assert list(no_more_are_under_way(history)) == []
    history.disturbances = [Disturbance(kind="kill -9", runner="r1", since=1.5, until=1.5)]
    assert list(no_more_are_under_way(history))
    history.requests[1] = lasting(2, 1.0 + history.lease, 99.0, runner="r2")
    assert list(no_more_are_under_way(history)) == []


def test_both_are_among_the_rules() -> None:
    history = history_of([7.0] * 100, rate=RATE, burst=BURST, at_once=3)
    for each in history.requests:
        each.answered_at = 7.1
    rules = {each.partition(":")[0] for each in violations(history)}
    assert {"rates_are_kept", "no_more_are_under_way"} <= rules
