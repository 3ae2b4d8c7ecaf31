"""Which of the things that were broken excuse what. Pure."""

from itertools import pairwise

from chaos.history import EVERYBODY, Disturbance, History, Request

__all__ = [
    "SOON",
    "KILL",
    "keeps_from_writing",
    "may_be_forgotten",
    "forgotten_claims",
    "is_broken",
    "is_broken_itself",
    "may_look_dead",
    "may_not_say",
]

SOON = 5.0
"""Seconds in which a runner that nothing breaks has written what it knows.

Its settles and its store's connection each pause for 2 s at most, and the machine is busy.
"""

CRASHES = frozenset({"database restart", "disk full", "promotion"})
DEPLOY, KILL, REPLY_LOST, SLOTS_FULL = "deploy", "kill -9", "reply lost", "slots full"


def keeps_from_writing(history: History, answered: Request, until: float) -> bool:
    """Whether something broke a request's runner, or the database, before it can have written the answer.

    What is broken later is no excuse: the answer should have been written by then. A runner may well be dead
    before its request is answered.
    """
    by = min(answered.answered_at + SOON, until)
    return any(
        disturbance.excuses and _lies_within(disturbance, answered.begun, by)
        for disturbance in _of(history, answered.runner)
    )


def may_be_forgotten(history: History, request: Request) -> bool:
    """Whether the database crashed before it can have flushed the claim that a request was made under."""
    return any(
        disturbance.kind in CRASHES and request.begun - SOON <= disturbance.since <= request.at + SOON
        for disturbance in history.disturbances
    )


def forgotten_claims(history: History) -> set[tuple[str, int]]:
    """Return the ids and epochs of claims that a crash of the database has forgotten, made once more since.

    Two runners may take the settle of such an epoch for theirs.
    """
    may_retry = {row.n: row.job_id for row in history.rows if row.max_retries}
    found = set[tuple[str, int]]()
    for n, requests in history.by_number().items():
        for request, again in pairwise(requests):
            if n in may_retry and request.epoch == again.epoch and may_be_forgotten(history, request):
                found.add((may_retry[n], request.epoch))
    return found


def is_broken(history: History, runner: str, since: float, until: float) -> bool:
    """Whether a runner, or the database, was broken between two instants, or the runner was told to end."""
    return any(
        (disturbance.excuses or disturbance.kind in {DEPLOY, REPLY_LOST})
        and _lies_within(disturbance, since, until)
        for disturbance in _of(history, runner)
    )


def is_broken_itself(history: History, runner: str, since: float, until: float) -> bool:
    """The same of the runner alone, whatever the database did."""
    return any(
        disturbance.runner == runner and _lies_within(disturbance, since, until)
        for disturbance in history.disturbances
    )


def may_look_dead(history: History, runner: str, claimed_at: float, until: float) -> bool:
    """Whether a runner was broken or told to end while it had a claim, or had a reply lost.

    The claim of one that is broken may be done a little after it was. A reply that is lost while a connection
    is made anew, after a cut, silences a runner's beats for as long as it waits for it: for about as long as
    it takes others to hold it for dead.
    """
    since = claimed_at - SOON
    return is_broken_itself(history, runner, since, until) or any(
        disturbance.kind == REPLY_LOST and _lies_within(disturbance, since, until)
        for disturbance in history.disturbances
    )


def may_not_say(history: History, runner: str, to: str, written_at: float) -> bool:
    """Whether a runner may never say what it has written.

    It was killed: its last statement may be done after its death, and the reply be held back for long. Or it
    lost the reply, and somebody else has claimed the job by the time when it looks again; not so a success.
    """
    by, since = written_at + SOON, written_at - SOON
    lost = any(
        disturbance.kind != SLOTS_FULL and _lies_within(disturbance, since, by)
        for disturbance in _of(history, runner)
    )
    return (lost and to != "success") or any(
        disturbance.kind == KILL
        and disturbance.runner == runner
        and since <= disturbance.since <= written_at + history.lease
        for disturbance in history.disturbances
    )


def _of(history: History, runner: str) -> list[Disturbance]:
    return [disturbance for disturbance in history.disturbances if disturbance.runner in {runner, EVERYBODY}]


def _lies_within(disturbance: Disturbance, since: float, until: float) -> bool:
    return disturbance.since <= until and disturbance.until >= since
