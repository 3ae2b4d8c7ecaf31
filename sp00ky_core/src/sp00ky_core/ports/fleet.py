"""Carry what operators want and have done, and what runners say of themselves and hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, TypedDict

import attrs

from sp00ky_core.job.state_machine import Transition

__all__ = ["AUDIT_KEPT", "Act", "ActOptions", "AuditEntry", "OperatorFate", "OperatorResult", "Pause"]
__all__ += ["SettingsRecord"]
__all__ += ["DEAD_AFTER", "NO_INFO", "OverdueClaim", "RunnerBeat", "RunnerInfo", "RunnerRecord"]
__all__ += ["RunnerState"]

AUDIT_KEPT = 90 * 86_400.0
"""Seconds that an entry is kept."""


class OperatorFate(StrEnum):
    """The fate of a job that an operator named."""

    KILLED = "killed"
    RETRIED = "retried"
    CLEARED = "cleared"
    RESCHEDULED = "rescheduled"
    COPIED = "copied"
    REDACTED = "redacted"
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
        transition: What was written of a kill or a retry.
    """

    job_id: str
    fate: OperatorFate
    problem: str | None = None
    transition: Transition | None = None


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


@attrs.frozen(kw_only=True)
class SettingsRecord:
    """What operators have set of a backend.

    Attributes:
        values: By the keys of sp00ky.yml, as they are in the database: another client may have written any.
        ignored: Why the rest of what is set isn't among them, in words, by key.
        until: When it ends; None: when it is reset.
        actor: Who set it last, as they say.
    """

    values: Mapping[str, Any]
    ignored: Mapping[str, str] = attrs.field(factory=dict)
    until: datetime | None = None
    actor: str | None = None


class ActOptions(TypedDict, total=False):
    """Carry what the audit keeps with an act; both are what the caller says.

    Attributes:
        reason: Why; of a kill it is written into each job's ``errors``, too.
        actor: Who does it.
    """

    reason: str | None
    actor: str | None


@attrs.frozen(kw_only=True)
class Act:
    """An operator's act that is about to be done.

    Attributes:
        action: ``kill``, ``retry``, ``clear``, ``reschedule``, ``pause``, ``resume``, ``drain``, ...
        selection: What it is done to: ``ids``, or the conditions of a filter, or ``backend``; JSON values.
        actor: Who does it, as the client says: this is a log, no evidence.
        via: ``cli``, ``python``, ``dashboard``.
        host: Where it comes from.
        reason: Why, in words.
    """

    action: str
    selection: Mapping[str, Any] = attrs.field(factory=dict)
    actor: str | None = None
    via: str = "python"
    host: str = ""
    reason: str | None = None


@attrs.frozen(kw_only=True)
class AuditEntry(Act):
    """An act as it is kept.

    Attributes:
        id: The entry's own.
        at: When it began, by the database's clock.
        db_user: Whom the database knows it by.
        count: Jobs that it was done to, up to now.
        ended_at: When it ended; None: it goes on, or was cut off.
    """

    id: str
    at: datetime
    db_user: str | None = None
    count: int = 0
    ended_at: datetime | None = None


DEAD_AFTER = 6.0
"""Seconds without a beat after which a runner counts as dead: it beats every 2 s."""


@attrs.frozen(kw_only=True)
class RunnerInfo:
    """A runner's report of itself.

    Attributes:
        version: Of the core.
        documents: For each backend that it serves, a digest of the OpenAPI document that it has read.
        in_flight: Attempts that it makes now, by backend; what it has claimed ahead isn't among them.
        slots: Attempts that it can make at a time, by backend; 0: each place is kept by a call whose time is
            over, so it delivers nothing of it until it is restarted.
        draining: It claims no more.
    """

    version: str = ""
    documents: Mapping[str, str] = attrs.field(factory=dict)
    in_flight: Mapping[str, int] = attrs.field(factory=dict)
    slots: Mapping[str, int] = attrs.field(factory=dict)
    draining: bool = False

    @property
    def stuck(self) -> tuple[str, ...]:
        """The backends of which it delivers nothing, for no place is free or will be."""
        return tuple(name for name, slots in self.slots.items() if slots <= 0)


NO_INFO = RunnerInfo()
"""What a runner that says nothing of itself has said."""


@attrs.frozen(kw_only=True)
class RunnerBeat:
    """A runner's last sign of life.

    Attributes:
        at: When it came, by the database's clock.
        info: What the runner says of itself; ``draining`` also where it was asked to drain.
    """

    at: datetime
    info: RunnerInfo = NO_INFO


class RunnerState(StrEnum):
    """The state of a runner, as others see it. One that has stopped has no row."""

    RUNNING = "running"
    DRAINING = "draining"
    DEAD = "dead"


@attrs.frozen(kw_only=True)
class RunnerRecord:
    """A runner as its row has it.

    Attributes:
        id: As in the jobs that it holds.
        host: Its host.
        pid: Its process.
        started_at: When it began, by the database's clock.
        beat_at: Its last beat.
        silent_for: Seconds since that.
        info: What it says of itself; ``draining`` also where it was asked to drain.
    """

    id: str
    host: str
    pid: int
    started_at: datetime
    beat_at: datetime
    silent_for: float
    info: RunnerInfo = NO_INFO

    @property
    def state(self) -> RunnerState:
        """The runner's state; it is dead where it hasn't beaten for ``DEAD_AFTER``."""
        if self.silent_for > DEAD_AFTER:
            return RunnerState.DEAD
        return RunnerState.DRAINING if self.info.draining else RunnerState.RUNNING


@attrs.frozen(kw_only=True)
class OverdueClaim:
    """A ``processing`` row whose lease is over by the database's clock, and whose runner may yet be alive.

    Attributes:
        job_id: The job's id.
        epoch: Its ``lease_epoch``.
        runner_id: Its runner.
        lasts: Seconds that a lease of this row lasts: its attempt's timeout and the lease margin.
    """

    job_id: str
    epoch: int
    runner_id: str | None
    lasts: float
