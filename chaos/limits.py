"""What the backend saw of a fleet with limits: its rate, and how much was under way. Pure."""

from collections.abc import Iterator, Sequence
from math import inf

from chaos.excuses import is_broken_itself
from chaos.history import History, Limit, Request
from chaos.order import is_lost, leased_until

__all__ = ["rates_are_kept", "no_more_are_under_way"]

LONG = 5.0
"""Seconds from which on the rate is exact but for ``SLACK``."""

SLACK, SHORT_SLACK = 1.05, 1.1
"""A request is sent a little after its claim: one second may hold what was claimed in a little more."""


def rates_are_kept(history: History) -> Iterator[str]:
    """In any second there are no more than the burst and a second's tokens, nor in any longer time."""
    for limit in history.limits:
        instants = [request.at for request in _requests(history, limit)]
        if (most := _most_within(instants, 1.0)) > SHORT_SLACK * (limit.burst + limit.rate):
            yield f"{limit.path} got {most} requests in a second"
        if limit.rate < inf and (surplus := _surplus(instants, SLACK * limit.rate)) > limit.burst:
            yield f"{limit.path} got {surplus:.0f} requests more than its rate, its burst is {limit.burst}"


def no_more_are_under_way(history: History) -> Iterator[str]:
    """No more requests are under way than may be; one whose runner was killed counts for its lease."""
    for limit in history.limits:
        changes = [
            change
            for request in _requests(history, limit)
            for change in ((request.at, 1), (max(_counts_until(history, request), request.at), -1))
        ]
        under_way = most = 0
        for _, change in sorted(changes):
            under_way += change
            most = max(most, under_way)
        if most > limit.at_once:
            yield f"{limit.path} had {most} requests under way, {limit.at_once:.0f} may be"


def _counts_until(history: History, request: Request) -> float:
    if is_lost(history, request):
        return leased_until(history, request)
    return min(request.over_at, request.begun + history.timeout)


def _requests(history: History, limit: Limit) -> Sequence[Request]:
    """Return a path's requests, but for those that their runner was kept from sending in time."""
    found = (request for request in history.requests if request.path == limit.path)
    sound = (sent for sent in found if not is_broken_itself(history, sent.runner, sent.begun, sent.at))
    return sorted(sound, key=lambda sent: sent.at)


def _most_within(instants: Sequence[float], seconds: float) -> int:
    most = first = 0
    for index, at in enumerate(instants):
        while at - instants[first] >= seconds:
            first += 1
        most = max(most, index - first + 1)
    return most


def _surplus(instants: Sequence[float], rate: float) -> float:
    """Return by how many requests the worst time of ``LONG`` seconds or more passes a rate."""
    surplus, least, first = 0.0, inf, 0
    for index, at in enumerate(instants):
        while instants[first] <= at - LONG:
            least = min(least, first - rate * instants[first])
            first += 1
        surplus = max(surplus, index + 1 - rate * at - least)
    return surplus
