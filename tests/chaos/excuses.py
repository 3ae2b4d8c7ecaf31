"""Which of the things that were broken excuse what. Pure."""

from __future__ import annotations

from tests.chaos.history import EVERYBODY, Disturbance, History, Request

__all__ = ["keeps_from_writing", "is_broken", "is_broken_itself", "is_killed"]

SOON = 5.0
"""Seconds in which a runner that nothing breaks has written what it knows.

Its settles and its store's connection each pause for 2 s at most, and the machine is busy.
"""

DEPLOY, KILL = "deploy", "kill -9"


def keeps_from_writing(history: History, answered: Request, until: float) -> bool:
    """Whether something broke a request's runner, or the database, before it can have written the answer.

    What is broken later is no excuse: the answer should have been written by then. A runner may well be dead
    before its request is answered.
    """
    by = min(answered.answered_at + SOON, until)
    return any(
        each.excuses and _lies_within(each, answered.begun, by) for each in _of(history, answered.runner)
    )


def is_broken(history: History, runner: str, since: float, until: float) -> bool:
    """Whether a runner, or the database, was broken between two instants, or the runner was told to end."""
    return any(
        (each.excuses or each.kind == DEPLOY) and _lies_within(each, since, until)
        for each in _of(history, runner)
    )


def is_broken_itself(history: History, runner: str, claimed_at: float, until: float) -> bool:
    """Whether a runner, not the database, was broken or told to end while it had a claim.

    The claim of one that is broken may be done a little after it was.
    """
    return any(
        each.runner == runner and _lies_within(each, claimed_at - SOON, until)
        for each in history.disturbances
    )


def is_killed(history: History, runner: str, written_at: float) -> bool:
    """Whether a runner was killed before it can have said what it has written.

    Its last statement may be done after its death, and the reply may have been held back for long.
    """
    return any(
        each.kind == KILL and each.runner == runner and -SOON <= each.since - written_at <= history.lease
        for each in history.disturbances
    )


def _of(history: History, runner: str) -> list[Disturbance]:
    return [each for each in history.disturbances if each.runner in {runner, EVERYBODY}]


def _lies_within(disturbance: Disturbance, since: float, until: float) -> bool:
    return disturbance.since <= until and disturbance.until >= since
