"""Carry what operators have done: one entry an act."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict

import attrs

__all__ = ["AUDIT_KEPT", "Act", "ActOptions", "AuditEntry"]

AUDIT_KEPT = 90 * 86_400.0
"""Seconds that an entry is kept."""


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
        action: ``kill``, ``redrive``, ``clear``, ``reschedule``, ``pause``, ``resume``, ``drain``, ...
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
