"""Find when a schedule fires next. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sp00ky_core.config.schedules import ScheduleConfig
from sp00ky_core.ports.schedules import StoredSchedule
from sp00ky_core.schedule.cron import next_cron

__all__ = ["can_not_fire", "is_due", "next_fire", "same_clock"]


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


def can_not_fire(stored: StoredSchedule) -> bool:
    """Return whether it is kept from firing, by its clock or by hand."""
    return stored.paused or stored.removed


def same_clock(one: ScheduleConfig, other: ScheduleConfig) -> bool:
    """Return whether two definitions fire at the same times."""
    clocks = [(each.cron, each.every, each.timezone, each.enabled) for each in (one, other)]
    return clocks[0] == clocks[1]
