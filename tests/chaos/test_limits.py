"""The checker finds a rate that is passed, and more requests under way than there may be."""

import attrs
import pytest
from chaos.histories import request
from chaos.history import Disturbance, History, Limit, Request
from chaos.limits import no_more_are_under_way, rates_are_kept

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


@pytest.mark.parametrize(("count", "is_found"), [(66, False), (67, True)])
def test_too_many_in_a_second_are_found(count: int, is_found: bool) -> None:
    found = list(rates_are_kept(rated([7.0 + n / 100 for n in range(count)])))
    assert any("in a second" in problem for problem in found) is is_found


def test_a_burst_that_comes_again_and_again_is_found() -> None:
    again = [at for at in (5.5, 7.5, 9.5, 11.5) for _ in range(10)]
    (found,) = rates_are_kept(rated([*at_the_rate(20), *again]))
    assert "more than its rate" in found


def test_another_path_and_what_was_held_up_count_for_nothing() -> None:
    history = rated([*at_the_rate(6), *[6.0] * 100])
    surplus = history.requests[-100:]
    for sent in surplus:
        sent.path = "/wild"
    assert list(rates_are_kept(history)) == []
    for sent in surplus:
        sent.path, sent.runner, sent.begun = "/calm", "r9", 1.0
    assert list(rates_are_kept(history))
    history.disturbances = [Disturbance(kind="freeze", runner="r9", since=2.0, until=5.9)]
    assert list(rates_are_kept(history)) == []


def test_a_request_whose_runner_was_killed_counts_for_its_lease() -> None:
    history = narrow(lasting(1, 1.0, 1.6), lasting(2, 12.0, 12.1, runner="r2"), at_once=1)
    assert list(no_more_are_under_way(history)) == []
    history.disturbances = [Disturbance(kind="kill -9", runner="r1", since=1.5, until=1.5)]
    assert list(no_more_are_under_way(history))
    history.requests[1] = lasting(2, 1.0 + history.lease, 99.0, runner="r2")
    assert list(no_more_are_under_way(history)) == []
