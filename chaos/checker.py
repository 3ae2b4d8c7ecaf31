"""What must be true of every history, however much was broken. Pure."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from chaos.excuses import forgotten_claims, keeps_from_writing, may_be_forgotten
from chaos.history import COMMITTED, ROLLED_BACK, History, Request
from chaos.limits import no_more_are_under_way, rates_are_kept
from chaos.moving import (
    illegal_moves,
    only_the_broken_are_reclaimed,
    the_last_move_is_the_end,
    unfounded_reports,
    writes_are_reported,
    writes_follow_answers,
)
from chaos.order import keys_are_in_order, keys_exclude_each_other, lost_keys_wait, places_follow_enqueues
from chaos.steered import nothing_begins_while_paused, nothing_comes_before_its_new_time
from chaos.telling import (
    each_failure_is_told,
    each_failure_is_told_as_it_was,
    is_throttled,
    retries_are_used,
    retries_of,
)

__all__ = ["violations", "repeated", "lost"]

ENDED = frozenset({"success", "failed"})

Rule = Callable[[History], Iterable[str]]


def violations(history: History) -> list[str]:
    """Every promise that the history breaks, each as a sentence; none if all is well."""
    return [f"{rule.__name__}: {found}" for rule in RULES for found in rule(history)]


def lost(history: History) -> list[int]:
    """Jobs that were committed, and aren't there or haven't ended."""
    ended = {row.n for row in history.rows if row.status in ENDED}
    return sorted({enqueue.n for enqueue in history.enqueues if enqueue.fate == COMMITTED} - ended)


def repeated(history: History) -> list[tuple[Request, Request]]:
    """Requests of jobs that had been answered 2xx before for certain: the answered one, and the next one."""
    pairs = []
    for requests in history.by_number().values():
        for index, request in enumerate(requests[:-1]):
            if request.certain and request.is_delivered:
                pairs.append((request, requests[index + 1]))
    return pairs


def committed_is_never_lost(history: History) -> Iterator[str]:
    """Each committed job is there, once, and has ended; so has every other row."""
    for n in lost(history):
        yield f"job {n} was committed and has not ended"
    seen: set[int] = set()
    for row in history.rows:
        if row.n in seen:
            yield f"job {row.n} is there twice"
        seen.add(row.n)
        if row.status not in ENDED:
            yield f"job {row.n} is {row.status}"


def success_was_answered(history: History) -> Iterator[str]:
    """A success has had a 2xx, to the request of the claim that it was written under."""
    answered = {(request.n, request.epoch) for request in history.requests if request.is_delivered}
    for row in history.rows:
        if row.status == "success" and (row.n, row.epoch) not in answered:
            yield f"job {row.n} is success, and no request of its epoch {row.epoch} was answered 2xx"


def only_committed_is_requested(history: History) -> Iterator[str]:
    """Nothing is sent for a job that was rolled back, or before its commit."""
    sent_at = {enqueue.n: enqueue.at for enqueue in history.enqueues}
    rolled_back = {enqueue.n for enqueue in history.enqueues if enqueue.fate == ROLLED_BACK}
    there = {row.n for row in history.rows}
    for n in sorted(rolled_back & there):
        yield f"job {n} was rolled back, and is there"
    for request in history.requests:
        if request.n in rolled_back or request.n not in there:
            yield f"request {request.number} is for job {request.n}, which was never committed"
        elif request.at < sent_at.get(request.n, float("inf")):
            yield f"request {request.number} came before job {request.n} was committed"


def requests_are_limited(history: History) -> Iterator[str]:
    """Between the retries of operators there are at most 1 + max_retries requests.

    Those that were throttled don't count, and none under a claim that a crash of the database may have
    forgotten.
    """
    requests = history.by_number()
    retries = retries_of(history.retries)
    for row in history.rows:
        counted = [
            request
            for request in requests.get(row.n, [])
            if not is_throttled(row, request) and not (row.max_retries and may_be_forgotten(history, request))
        ]
        for count in _counts(counted, retries.get(row.n, [])):
            if count > 1 + row.max_retries:
                yield f"job {row.n} with max_retries {row.max_retries} was requested {count} times"


def a_claim_sends_one_request(history: History) -> Iterator[str]:
    """No two requests carry one epoch of a job, unless the database has forgotten the first's claim."""
    seen: set[tuple[int, int]] = set()
    forgotten = forgotten_claims(history)
    excused = {(row.n, epoch) for row in history.rows for job_id, epoch in forgotten if job_id == row.job_id}
    for request in history.requests:
        claim = (request.n, request.epoch)
        if claim in seen and claim not in excused:
            yield f"job {request.n} was requested twice under epoch {request.epoch}"
        seen.add(claim)


def answered_is_not_repeated(history: History) -> Iterator[str]:
    """After a 2xx nothing is sent, unless what sent it was broken before it could write that down."""
    for answered, again in repeated(history):
        if not keeps_from_writing(history, answered, again.at):
            where = f"request {answered.number} by {answered.runner or 'an unknown runner'}"
            yield f"job {again.n} was requested again ({again.number}) after a 2xx to {where}"


def an_answer_is_written(history: History) -> Iterator[str]:
    """A 2xx that nothing was sent after makes its job a success, if what sent it could write that down."""
    latest = {n: requests[-1] for n, requests in history.by_number().items()}
    for row in history.rows:
        last = latest.get(row.n)
        if last is None or not (last.certain and last.is_delivered):
            continue
        is_written = row.status == "success" and row.epoch == last.epoch
        if not is_written and not keeps_from_writing(history, last, float("inf")):
            yield f"job {row.n} is {row.status} in epoch {row.epoch} after a 2xx in epoch {last.epoch}"


def the_last_claim_has_written(history: History) -> Iterator[str]:
    """A success holds the answer to the request of its last claim: nobody else's write got in."""
    requests = {request.number: request for request in history.requests}
    for row in history.rows:
        if row.status != "success" or not isinstance(row.result, dict) or "request" not in row.result:
            continue
        request = requests.get(row.result["request"])
        if request is None or request.n != row.n:
            yield f"job {row.n} has the result of another job's request"
        elif request.epoch != row.epoch:
            yield f"job {row.n} of epoch {row.epoch} has the result of epoch {request.epoch}"


RULES: tuple[Rule, ...] = (
    committed_is_never_lost,
    success_was_answered,
    only_committed_is_requested,
    requests_are_limited,
    a_claim_sends_one_request,
    answered_is_not_repeated,
    an_answer_is_written,
    the_last_claim_has_written,
    each_failure_is_told,
    each_failure_is_told_as_it_was,
    retries_are_used,
    illegal_moves,
    the_last_move_is_the_end,
    unfounded_reports,
    writes_are_reported,
    writes_follow_answers,
    only_the_broken_are_reclaimed,
    places_follow_enqueues,
    keys_are_in_order,
    keys_exclude_each_other,
    lost_keys_wait,
    rates_are_kept,
    no_more_are_under_way,
    nothing_begins_while_paused,
    nothing_comes_before_its_new_time,
)


def _counts(requests: Iterable[Request], retried_at: Iterable[float]) -> Iterator[int]:
    """How many requests there were between one retry of an operator and the next."""
    limits = [0.0, *sorted(retried_at), float("inf")]
    instants = [request.at for request in requests]
    for since, until in pairwise(limits):
        yield sum(since <= at < until for at in instants)
