"""Which of the things that were broken excuse what. Pure."""

from __future__ import annotations

from tests.chaos.history import EVERYBODY, Disturbance, History, Request

__all__ = ["keeps_from_writing", "is_broken"]

SOON = 5.0
"""Seconds in which a runner that nothing breaks has written what it knows.

Its settles and its store's connection each pause for 2 s at most, and the machine is busy.
"""

DEPLOY = "deploy"


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


def _of(history: History, runner: str) -> list[Disturbance]:
    return [each for each in history.disturbances if each.runner in {runner, EVERYBODY}]


def _lies_within(disturbance: Disturbance, since: float, until: float) -> bool:
    return disturbance.since <= until and disturbance.until >= since
