"""Schedules for Sp00ky outbox: jobs that a clock makes, each fire once in the whole fleet.

An extension: it reads ``schedules:`` of sp00ky.yml. Applications need ``Schedules``, as in
``outbox.extension(Schedules)``; what else is here is what its calls take, return and raise.
"""

from sp00ky_schedules.api import ScheduleRecord, Schedules, SyncResult
from sp00ky_schedules.errors import RunUnreadable, ScheduleInvalid, ScheduleStopped, UnknownSchedule
from sp00ky_schedules.model.config import ForEachConfig, ScheduleConfig, ScheduleRetryConfig, SchedulesConfig
from sp00ky_schedules.model.records import RunStatus, ScheduleRun, StoredSchedule, Trigger

__all__ = [
    "ForEachConfig",
    "RunStatus",
    "RunUnreadable",
    "ScheduleConfig",
    "ScheduleInvalid",
    "ScheduleRecord",
    "ScheduleRetryConfig",
    "ScheduleRun",
    "ScheduleStopped",
    "Schedules",
    "SchedulesConfig",
    "StoredSchedule",
    "SyncResult",
    "Trigger",
    "UnknownSchedule",
]
