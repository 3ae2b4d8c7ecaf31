"""Which of the things that were broken excuse what. Pure."""

from __future__ import annotations

from tests.chaos.history import EVERYBODY, Disturbance, History

__all__ = ["is_broken"]

DEPLOY = "deploy"


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
