"""Know by its flag whether a store has an ability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from sp00ky_core.errors import CallUnsupported
from sp00ky_core.ports.capabilities.audit import Audit
from sp00ky_core.ports.capabilities.breakers import Breakers
from sp00ky_core.ports.capabilities.bulk import Clears, Reschedules, Retention, Rewrites
from sp00ky_core.ports.capabilities.checks import Checks, Grants
from sp00ky_core.ports.capabilities.claims import Limits, Ordering
from sp00ky_core.ports.capabilities.pauses import Pauses
from sp00ky_core.ports.capabilities.queries import Counts, ErrorGroups, ShortIds
from sp00ky_core.ports.capabilities.rollups import Rollups
from sp00ky_core.ports.capabilities.runners import OverdueClaims, Runners
from sp00ky_core.ports.capabilities.schedules import Schedules
from sp00ky_core.ports.capabilities.settings import Settings
from sp00ky_core.ports.capabilities.statements import SqlStatements, Statements
from sp00ky_core.ports.capabilities.synchronous import SynchronousEnqueue, SynchronousMigrate
from sp00ky_core.ports.capabilities.watch import Watch
from sp00ky_core.ports.store import Store

__all__ = [
    "FLAGS",
    "Audit",
    "Breakers",
    "Checks",
    "Clears",
    "Counts",
    "ErrorGroups",
    "Grants",
    "Limits",
    "Ordering",
    "OverdueClaims",
    "Pauses",
    "Reschedules",
    "Retention",
    "Rewrites",
    "Rollups",
    "Runners",
    "Schedules",
    "Settings",
    "ShortIds",
    "SqlStatements",
    "Statements",
    "SynchronousEnqueue",
    "SynchronousMigrate",
    "Watch",
    "has",
    "needed",
]

C = TypeVar("C")

FLAGS: Mapping[type[Any], str] = {
    Audit: "audit",
    Breakers: "breakers",
    Checks: "checks",
    Clears: "clears",
    Reschedules: "reschedules",
    Retention: "retention",
    Rewrites: "rewrites",
    Counts: "counts",
    ErrorGroups: "error_groups",
    Limits: "limits",
    Ordering: "ordering",
    OverdueClaims: "overdue_claims",
    Pauses: "pauses",
    Rollups: "rollups",
    Runners: "runners",
    Schedules: "schedules",
    Settings: "settings",
    ShortIds: "short_ids",
    SqlStatements: "sql_statements",
    Statements: "statements",
    SynchronousEnqueue: "synchronous",
    Watch: "watch",
}
"""The flag of each; ``SynchronousMigrate`` and ``Grants`` are known by ``isinstance``."""


def has(store: Store, ability: type[C]) -> C | None:
    """Return a store as what it is too; None: it lacks the ability."""
    return cast("C", store) if getattr(store.capabilities, FLAGS[ability]) else None


def needed(store: Store, ability: type[C], call: str, instead: str = "use another store") -> C:
    """Return a store as what it is too. Raises ``CallUnsupported`` where it lacks the ability."""
    able = has(store, ability)
    if able is None:
        raise CallUnsupported(store=store.location, call=call, instead=instead)
    return able
