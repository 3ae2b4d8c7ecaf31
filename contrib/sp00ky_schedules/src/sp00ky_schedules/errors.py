"""Say what is wrong with a schedule."""

from __future__ import annotations

import attrs

from sp00ky_core.error_texts import nearest, shown
from sp00ky_core.errors import Sp00kyError

__all__ = ["RunUnreadable", "ScheduleInvalid", "ScheduleStopped", "UnknownSchedule"]


@attrs.define(kw_only=True, eq=False)
class ScheduleInvalid(Sp00kyError):
    """A schedule can't be defined so; nothing was written.

    Attributes:
        schedule: Its name.
        key: The dotted key that is wrong; empty: the whole.
        problem: What is wrong, in words.
    """

    exit_code = 2

    schedule: str
    key: str
    problem: str

    def __str__(self) -> str:
        key = f": {self.key}" if self.key else ""
        return f"schedule {shown(self.schedule)}{key}: {self.problem}"


@attrs.define(kw_only=True, eq=False)
class UnknownSchedule(Sp00kyError):
    """No schedule of that name is defined; nothing was done.

    Attributes:
        schedule: The name that was asked for.
        known: Those that are.
    """

    schedule: str
    known: tuple[str, ...] = ()

    def __str__(self) -> str:
        hint = nearest(self.schedule, self.known)
        return f"no schedule {shown(self.schedule)} is defined; {hint} (see: sp00ky schedules list)"


@attrs.define(kw_only=True, eq=False)
class ScheduleStopped(Sp00kyError):
    """A schedule can't be fired by hand; nothing was made.

    Attributes:
        schedule: Its name.
        problem: Why, and what to do.
    """

    schedule: str
    problem: str

    _text = "schedule {0.schedule!r:.80} makes no jobs: {0.problem}"


@attrs.define(kw_only=True, eq=False)
class RunUnreadable(Sp00kyError):
    """A row of a run has a value that this version doesn't know; the row stays as it is.

    Attributes:
        schedule: Its schedule's name.
        fired_at: When that fired.
        key: Its key.
        problem: Which value isn't known.
    """

    schedule: str
    fired_at: object
    key: str
    problem: str

    def __str__(self) -> str:
        run = f"{shown(self.schedule)} of {shown(self.fired_at)}, key {shown(self.key)}"
        return f"run of schedule {run}: {self.problem}; upgrade sp00ky here, a later version wrote it"
