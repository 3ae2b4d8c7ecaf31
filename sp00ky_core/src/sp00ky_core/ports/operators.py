"""Carry what an operator wants of jobs, what became of it, and the log of what operators have done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, TypedDict

import attrs

from sp00ky_core.job.state_machine import Transition

__all__ = ["AUDIT_KEPT", "Act", "ActOptions", "AuditEntry", "OperatorFate", "OperatorResult", "Pause"]
__all__ += ["SettingsRecord"]

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
