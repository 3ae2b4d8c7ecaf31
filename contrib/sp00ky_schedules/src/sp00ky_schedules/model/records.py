"""Hold a schedule's row, its runs, and a decision about it as data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import attrs

from sp00ky_core.job.job import NewJob

__all__ = [
    "MAX_ROWS",
    "OPEN_RUN",
    "RunQuery",
    "RunStatus",
    "ScheduleChange",
    "ScheduleRun",
    "ScheduleSnapshot",
    "Spawn",
    "StoredSchedule",
    "Trigger",
]

MAX_ROWS = 10_000
"""Rows of ``forEach.query`` that make jobs; what is beyond is dropped and said."""


class Trigger(StrEnum):
    """The cause of a fire."""

    CRON = "cron"  # its own clock, whether ``cron`` or ``every``
    MANUAL = "manual"


class RunStatus(StrEnum):
    """The status of a run; the names are those of the row."""

    RUNNING = "running"  # its job hasn't ended, or its end isn't written down yet
    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    REPLACED = "replaced"
    KILLED = "killed"


OPEN_RUN = (RunStatus.RUNNING,)
"""Statuses of runs that haven't ended."""


@attrs.frozen(kw_only=True)
class StoredSchedule:
    """A row of ``sp00ky_schedule``: a definition, and where its clock stands.

    Attributes:
        name: The key.
        definition: Its keys as sp00ky.yml has them, a JSON object.
        hash: Of the definition.
        seen: Hashes of all definitions that it has had, the latest last.
        origin: ``file`` or ``python``: who removes it.
        revision: Raised by each change; 0: it isn't stored yet.
        paused: An operator keeps it from firing.
        removed: It is no longer defined. The row stays, so that an older file's runner doesn't add it again.
        next_fire_at: None: it fires no more, or hasn't been computed.
        last_fired_at: When it last fired, by the clock or by hand.
        last_error: What was wrong with the last fire; None: nothing was.
        failures: By key: its failures in a row, where they are counted.
        job_table: Of its backend: services may name their backends alike. None: unknown.
    """

    name: str
    definition: Mapping[str, Any]
    hash: str
    seen: tuple[str, ...] = ()
    origin: str = "file"
    revision: int = 0
    paused: bool = False
    removed: bool = False
    next_fire_at: datetime | None = None
    last_fired_at: datetime | None = None
    last_error: str | None = None
    failures: Mapping[str, int] = attrs.field(factory=dict)
    job_table: str | None = None


@attrs.frozen(kw_only=True)
class ScheduleSnapshot:
    """Schedules, and the time, as one transaction saw them.

    Attributes:
        now: By the database's clock.
        schedules: By name, in its order.
    """

    now: datetime
    schedules: Mapping[str, StoredSchedule]


@attrs.frozen(kw_only=True)
class ScheduleRun:
    """A row of ``sp00ky_schedule_run``: what one fire made of one key.

    Attributes:
        schedule: The schedule's name.
        fired_at: When it fired, by the database's clock.
        key: The row's, of ``forEach``; else empty.
        trigger: What made it fire.
        job_id: The job's id; None: no job was made.
        status: As it was last written down; of a running one the job knows better.
        error: Why it isn't a success: ``code``, and facts; JSON values.
        finished_at: When it ended; of a running one, that it had ended then, and was reopened.
    """

    schedule: str
    fired_at: datetime
    key: str = ""
    trigger: Trigger = Trigger.CRON
    job_id: str | None = None
    status: RunStatus = RunStatus.RUNNING
    error: Mapping[str, Any] | None = None
    finished_at: datetime | None = None


@attrs.frozen(kw_only=True)
class Spawn:
    """A job that a fire makes, and its run.

    Attributes:
        job: The job; the name of its backend is filled in.
        job_key: What the store makes the job's id of: the same for the same schedule, fire and key.
        run: Running, without ``job_id``: the store fills it in.
    """

    job: NewJob
    job_key: UUID
    run: ScheduleRun


@attrs.frozen(kw_only=True)
class ScheduleChange:
    """A decision about one schedule as data: a fire, a definition, a pause, the end of runs.

    Attributes:
        schedule: The row as it is to be; its ``revision`` is that of the row which was read, 0 if there was
            none.
        spawns: Jobs to be inserted, each with its run.
        runs: Rows of runs to be written as they are here: a run that is there (by schedule, ``fired_at`` and
            key) is replaced, another one inserted.
    """

    schedule: StoredSchedule
    spawns: Sequence[Spawn] = ()
    runs: Sequence[ScheduleRun] = ()


@attrs.frozen(kw_only=True)
class RunQuery:
    """Which runs are wanted: the latest first (``fired_at``, then key), all conditions met.

    Attributes:
        schedule: The schedule's name.
        statuses: As they were last written down; empty: all.
        key: The row's, of ``forEach``.
        job_ids: The run has made one of these jobs; None: any, or none.
        limit: At most so many; None: all.
    """

    schedule: str | None = None
    statuses: Collection[RunStatus] = ()
    key: str | None = None
    job_ids: Collection[str] | None = None
    limit: int | None = 100
