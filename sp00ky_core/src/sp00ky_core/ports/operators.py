"""Carry what an operator wants of jobs, and what became of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import attrs

from sp00ky_core.machine import Transition

__all__ = ["OperatorFate", "OperatorResult", "Pause", "Reschedule"]


class OperatorFate(StrEnum):
    """The fate of a job that an operator named."""

    KILLED = "killed"
    REDRIVEN = "redriven"
    CLEARED = "cleared"
    RESCHEDULED = "rescheduled"
    NOT_FOUND = "not_found"
    ILLEGAL = "illegal"  # the state machine has no such transition, or the database keeps it: `problem`
    DUPLICATE = "duplicate"  # another job with its dedup_key isn't terminal
    CHANGED = "changed"  # the row kept changing under our hands; try again. (`problem`: it can't be written)


@attrs.frozen(kw_only=True)
class OperatorResult:
    """The fate of one job that an operator named.

    Attributes:
        job_id: The job's id.
        fate: What became of it.
        problem: Why it wasn't done, in words.
        transition: What was written of a kill or a redrive.
    """

    job_id: str
    fate: OperatorFate
    problem: str | None = None
    transition: Transition | None = None


@attrs.frozen(kw_only=True)
class Reschedule:
    """Change when a pending job is due, or its priority.

    Attributes:
        run_at: When it is to be due; or
        delay: seconds from now, by the database's clock; neither: as it was.
        priority: None: as it was.
    """

    run_at: datetime | None = None
    delay: float | None = None
    priority: int | None = None


@attrs.frozen(kw_only=True)
class Pause:
    """An operator's pause of a backend; field names are those of ``jobs stats --json``.

    Attributes:
        until: When it ends; None: when it is resumed.
        since: When it began, by the database's clock.
        reason: Why, in words.
        actor: Who paused it, as they say.
    """

    until: datetime | None = None
    since: datetime | None = None
    reason: str | None = None
    actor: str | None = None
