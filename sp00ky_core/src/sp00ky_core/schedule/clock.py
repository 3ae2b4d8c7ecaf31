"""Find when a schedule fires next. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import attrs

from sp00ky_core.config.schedules import ScheduleConfig
from sp00ky_core.ports.schedules import StoredSchedule
from sp00ky_core.schedule.cron import next_cron

__all__ = ["brought_back", "can_not_fire", "is_due", "next_fire", "same_clock"]

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
