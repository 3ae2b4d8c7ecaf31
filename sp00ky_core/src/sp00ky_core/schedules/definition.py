"""Decide when a schedule fires, and what a definition makes of its row. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import attrs

from sp00ky_core.config.cron import next_cron
from sp00ky_core.config.schedules import ScheduleConfig, definition_hash
from sp00ky_core.ports.capabilities.schedules import StoredSchedule

__all__ = [
    "brought_back",
    "can_not_fire",
    "defined",
    "is_due",
    "is_others",
    "next_fire",
    "paused",
    "released",
    "removed",
    "resumed",
    "same_clock",
]

AHEAD = timedelta(seconds=60)
"""By how much a next fire may lie after the one computed now: clocks are set by less in normal service."""


def next_fire(definition: ScheduleConfig, after: datetime) -> datetime | None:
    """Return the first fire after an instant, in UTC; None: there is none.

    Missed fires coalesce, for it is computed from now and not from the fire before.
    """
    if not definition.enabled:
        return None
    if definition.cron is None:
        return after + timedelta(seconds=definition.every or 0.0)
    return next_cron(definition.cron, ZoneInfo(definition.timezone), after)


def is_due(stored: StoredSchedule, now: datetime) -> bool:
    """Return whether a schedule is to fire now by its own clock."""
    return not can_not_fire(stored) and stored.next_fire_at is not None and stored.next_fire_at <= now


def brought_back(stored: StoredSchedule, definition: ScheduleConfig, now: datetime) -> StoredSchedule | None:
    """Return the row with the next fire computed from now, where the stored one is too far ahead.

    It is after the database's clock was ahead when it was computed, and has been set back since. None: the
    row is as it should be.
    """
    at, computed = stored.next_fire_at, next_fire(definition, now)
    if can_not_fire(stored) or at is None or computed is None or at - computed <= AHEAD:
        return None
    return attrs.evolve(stored, next_fire_at=computed)


def can_not_fire(stored: StoredSchedule) -> bool:
    """Return whether it is kept from firing, by its clock or by hand."""
    return stored.paused or stored.removed


def same_clock(one: ScheduleConfig, other: ScheduleConfig) -> bool:
    """Return whether two definitions fire at the same times."""
    clocks = [(each.cron, each.every, each.timezone, each.enabled) for each in (one, other)]
    return clocks[0] == clocks[1]


MOST_SEEN = 100
"""Hashes that a row remembers."""


def defined(
    definition: ScheduleConfig,
    stored: StoredSchedule | None,
    before: ScheduleConfig | None,
    *,
    now: datetime,
    origin: str = "file",
    job_table: str | None = None,
    only_new: bool = False,
) -> StoredSchedule | None:
    """Return the row as a definition has it; None: it is so already, or isn't to be changed.

    Args:
        definition: What is wanted.
        stored: The row, if there is one.
        before: What that defines; None: it can't be read.
        now: By the database's clock.
        origin: Who defines it: ``file`` or ``python``.
        job_table: Of its backend; None: that isn't configured.
        only_new: As a runner's start does: a definition that the row has had before stays where it is, so
            that an older process doesn't undo what a newer one has defined or removed; nor does it take over
            one that another service has.
    """
    written = definition.to_json()
    digest = definition_hash(written)
    if stored is None:
        stored = StoredSchedule(name=definition.name, definition={}, hash="", removed=True)
    elif _is_so(stored, digest, (origin, job_table)) or (only_new and _is_known(stored, digest, job_table)):
        return None
    keeps_clock = not stored.removed and before is not None and same_clock(before, definition)
    seen = (*(each for each in stored.seen if each != digest), digest)
    return attrs.evolve(
        stored,
        definition=written,
        hash=digest,
        seen=seen[-MOST_SEEN:],
        origin=origin,
        job_table=job_table,
        removed=False,
        next_fire_at=stored.next_fire_at if keeps_clock else next_fire(definition, now),
        last_error=stored.last_error if digest == stored.hash else None,  # it was of another definition
    )


def _is_so(stored: StoredSchedule, digest: str, owner: tuple[str, str | None]) -> bool:
    return not stored.removed and (digest, owner) == (stored.hash, (stored.origin, stored.job_table))


def _is_known(stored: StoredSchedule, digest: str, job_table: str | None) -> bool:
    return digest in stored.seen or is_others(stored, job_table)


def is_others(stored: StoredSchedule, job_table: str | None) -> bool:
    """Return whether another service defines a schedule: its backend has another table than this one."""
    return not stored.removed and stored.job_table not in (None, job_table)


def removed(stored: StoredSchedule) -> StoredSchedule:
    """Return the row of a schedule that is no longer defined; its runs stay until they are old."""
    return attrs.evolve(stored, removed=True, next_fire_at=None, failures={}, last_error=None)


def paused(stored: StoredSchedule) -> StoredSchedule:
    """Return the row of a schedule that an operator keeps from firing."""
    return attrs.evolve(stored, paused=True)


def resumed(stored: StoredSchedule, definition: ScheduleConfig | None, now: datetime) -> StoredSchedule:
    """Return the row of a schedule that fires again: what it would have done meanwhile is left out."""
    at = stored.next_fire_at
    if definition is not None and (at is None or at <= now):
        at = next_fire(definition, now)
    return attrs.evolve(stored, paused=False, next_fire_at=at)


def released(stored: StoredSchedule, keys: Collection[str] | None) -> StoredSchedule:
    """Return the row with these keys' failures forgotten (None: all keys')."""
    kept = {} if keys is None else {key: n for key, n in stored.failures.items() if key not in keys}
    return attrs.evolve(stored, failures=kept)
