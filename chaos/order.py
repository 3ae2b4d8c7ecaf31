"""What the backend saw of jobs with an ordering key: their stored order, one at a time. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise

import attrs

from chaos.excuses import KILL, SOON, is_broken_itself
from chaos.history import COMMITTED, Enqueue, History, Request, Row
from chaos.telling import retries_of

__all__ = ["places_follow_enqueues", "keys_are_in_order", "keys_exclude_each_other", "lost_keys_wait"]


@attrs.frozen
class _Pair:
    """Two jobs of a key, of which one was there before the other was sent to the database."""

    before: Row
    after: Row


def places_follow_enqueues(history: History) -> Iterator[str]:
    """A job that was there, or stands earlier in its batch, has the earlier place."""
    for pair in _pairs(history):
        if _place(pair.before) >= _place(pair.after):
            yield f"job {pair.after.n} has a place before job {pair.before.n}, which was enqueued earlier"


def keys_are_in_order(history: History) -> Iterator[str]:
    """Nothing is sent before an earlier job of its key, unless that one was retried."""
    requests, retries = history.by_number(), retries_of(history.retries)
    for pair in _pairs(history):
        earlier = [sent for sent in requests.get(pair.before.n, []) if not _comes_late(history, sent)]
        for request in requests.get(pair.after.n, []):
            again = next((sent for sent in earlier if sent.at > request.at), None)
            if again is None:
                continue
            since = request.begun - SOON  # a retry is noted before it is done, and a claim is earlier
            if not any(since <= at <= again.at for at in retries.get(pair.before.n, [])):
                yield f"request {request.number} of job {request.n} came before {again.number} of {again.n}"


def keys_exclude_each_other(history: History) -> Iterator[str]:
    """Two requests of a key are never at the backend at once, unless the first one's time was up.

    Or one of their runners was broken between its last look at its lease and the request's arrival.
    """
    for key, requests in _by_key(history).items():
        for one, other in combinations(requests, 2):
            is_over = min(one.over_at, one.begun + history.timeout) <= other.at
            if not is_over and not any(_comes_late(history, sent) for sent in (one, other)):
                yield f"requests {one.number} and {other.number} of the key {key} were under way at once"


def lost_keys_wait(history: History) -> Iterator[str]:
    """After a request whose runner was killed nothing of its key is sent before the lease has ended."""
    for key, requests in _by_key(history).items():
        for one, other in pairwise(requests):
            if is_lost(history, one) and other.begun < leased_until(history, one):
                yield f"request {other.number} of the key {key} came too soon after {one.number} was lost"


def is_lost(history: History, request: Request) -> bool:
    """Whether a request's runner was killed while it was under way."""
    until = min(request.over_at, request.begun + history.timeout)
    return any(
        disturbance.kind == KILL
        and disturbance.runner == request.runner
        and request.at <= disturbance.since < until
        for disturbance in history.disturbances
    )


def leased_until(history: History, request: Request) -> float:
    """Return when the lease of a request's claim ended at the earliest: the claim was a little earlier."""
    return request.begun + history.lease - SOON


def _comes_late(history: History, request: Request) -> bool:
    """Whether a request's runner was broken after it had decided to send it, and before it arrived."""
    return is_broken_itself(history, request.runner, request.begun, request.at)


def _by_key(history: History) -> Mapping[str, Sequence[Request]]:
    keys = {row.n: row.key for row in history.rows if row.key}
    requests: dict[str, list[Request]] = {}
    for request in sorted(history.requests, key=lambda sent: sent.at):
        if request.n in keys:
            requests.setdefault(keys[request.n], []).append(request)
    return requests


def _pairs(history: History) -> Iterator[_Pair]:
    """Yield the jobs of each key, two by two, whose order is certain."""
    enqueues = {enqueue.n: enqueue for enqueue in history.enqueues if enqueue.fate == COMMITTED}
    by_key: dict[str, list[Row]] = {}
    for row in history.rows:
        if row.key and row.n in enqueues:
            by_key.setdefault(row.key, []).append(row)
    for rows in by_key.values():
        for one, other in combinations(sorted(rows, key=lambda row: row.n), 2):
            if _is_before(enqueues[one.n], enqueues[other.n]):
                yield _Pair(one, other)
            elif _is_before(enqueues[other.n], enqueues[one.n]):
                yield _Pair(other, one)


def _is_before(one: Enqueue, other: Enqueue) -> bool:
    is_of_one_batch = one.batch == other.batch != 0
    return one.n < other.n if is_of_one_batch else 0 < one.done <= other.begun


def _place(row: Row) -> tuple[float, str]:
    return row.place, row.job_id
