"""Decide what a fire makes: jobs, runs that are skipped or replaced, and when the next fire is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import attrs

from sp00ky_core.config.schedules import ScheduleConfig
from sp00ky_core.contract.operation import Operation
from sp00ky_core.encoding.job_json import instant_to_json
from sp00ky_core.errors import (
    OptionInvalid,
    PayloadError,
    PayloadInvalid,
    Sp00kyError,
    UnknownRoute,
)
from sp00ky_core.job import Job, NewJob
from sp00ky_core.ports.schedules import (
    RunStatus,
    ScheduleChange,
    ScheduleRun,
    Spawn,
    StoredSchedule,
    Trigger,
)
from sp00ky_core.retry import PluginStrategy
from sp00ky_core.schedule.clock import next_fire
from sp00ky_core.schedule.fan_out import FanOut, with_row
from sp00ky_core.schedule.run_end import REPLACED, ended, failures_after, kill_reason

__all__ = ["Fire", "OpenRun", "Situation", "decide_fire", "job_key", "new_job"]

SKIPPED_BUSY, SKIPPED_QUARANTINE = "concurrency_skip", "quarantine"
"""Codes of the errors of runs that were skipped."""

_CODES = (
    (UnknownRoute, "unknown_route"),
    (PayloadInvalid, "invalid_payload"),
    (PayloadError, "invalid_payload"),
)

OpenRun = tuple[ScheduleRun, Job | None]
"""A run whose end isn't written down, and its job; None: the job is gone."""


@attrs.frozen(kw_only=True)
class Situation:
    """Everything that a fire is decided on.

    Attributes:
        stored: The schedule's row, as it was read.
        definition: What that defines.
        now: By the database's clock, when the row was read.
        trigger: What makes it fire.
        open_runs: Its runs that haven't ended, as far as is written down, the oldest first.
        rows: Those of ``forEach``; None: it has none, and makes one job.
        problem: Why the query gave no rows; None: it did.
        operation: What is called; None: that isn't known.
        checked: Checks a new job against its backend. Raises ``Sp00kyError``.
    """

    stored: StoredSchedule
    definition: ScheduleConfig
    now: datetime
    trigger: Trigger
    open_runs: Sequence[OpenRun] = ()
    rows: FanOut | None = None
    problem: str | None = None
    operation: Operation | None = None
    checked: Callable[[NewJob], NewJob]


@attrs.frozen(kw_only=True)
class Fire:
    """A fire as it was decided.

    Attributes:
        change: What is to be written, if nothing has changed meanwhile.
        kills: Jobs to be killed before, with the reason.
    """

    change: ScheduleChange
    kills: Mapping[str, str]


def decide_fire(situation: Situation) -> Fire:
    """Decide what a fire makes of a situation."""
    return _Deciding(situation).decide()


def job_key(schedule: str, fired_at: datetime, key: str) -> UUID:
    """Return the UUID (version 8) that is always the same for a schedule, a fire and a key."""
    text = "\0".join((schedule, instant_to_json(fired_at), key))
    number = int.from_bytes(sha256(text.encode()).digest()[:16], "big")
    number = number & ~(0xF000 << 64) | (8 << 76)
    return UUID(int=number & ~(0xC000 << 48) | (0x8000 << 48))


class _Deciding:
    """One decision, key by key."""

    def __init__(self, situation: Situation) -> None:
        self._of = situation
        self._spawns: list[Spawn] = []
        self._runs: list[ScheduleRun] = []  # that have ended, and those that never began
        self._kills: dict[str, str] = {}
        self._busy: dict[str, list[ScheduleRun]] = {}
        for run, job in situation.open_runs:
            end = ended(run, job, situation.now)
            if end is None:
                self._busy.setdefault(run.key, []).append(run)
            else:
                self._runs.append(end)
        self._failures = failures_after(situation.stored.failures, self._runs)

    def decide(self) -> Fire:
        """Look at each key."""
        rows = self._of.rows
        if self._of.problem is None:
            for key, row in ({"": None} if rows is None else rows.rows).items():
                self._decide_key(key, row)
        return Fire(change=self._change(), kills=self._kills)

    def _change(self) -> ScheduleChange:
        stored, now, definition = self._of.stored, self._of.now, self._of.definition
        by_clock = self._of.trigger is Trigger.CRON
        problem = self._of.problem or (self._of.rows and self._of.rows.problem)
        counted = definition.quarantine_after is not None
        after = attrs.evolve(
            stored,
            next_fire_at=next_fire(definition, now) if by_clock else stored.next_fire_at,
            last_fired_at=now,
            last_error=problem or None,
            failures=failures_after(self._failures, self._new_failures()) if counted else {},
        )
        return ScheduleChange(schedule=after, spawns=self._spawns, runs=self._runs)

    def _new_failures(self) -> list[ScheduleRun]:
        return [run for run in self._runs if run.fired_at == self._of.now]

    def _decide_key(self, key: str, row: Mapping[str, Any] | None) -> None:
        after, failures = self._of.definition.quarantine_after, self._failures.get(key, 0)
        busy, concurrency = self._busy.get(key, []), self._of.definition.concurrency
        if after is not None and failures >= after and self._of.trigger is Trigger.CRON:
            self._end(key, RunStatus.SKIPPED, {"code": SKIPPED_QUARANTINE, "failures": failures})
        elif busy and concurrency == "skip":
            since = instant_to_json(busy[0].fired_at)
            error = {"code": SKIPPED_BUSY, "blocked_by": busy[0].job_id, "since": since}
            self._end(key, RunStatus.SKIPPED, error)
        else:
            if concurrency == "replace":
                self._replace(busy)
            self._spawn(key, row)

    def _replace(self, busy: Sequence[ScheduleRun]) -> None:
        for run in busy:
            if run.job_id is not None:
                self._kills[run.job_id] = kill_reason(REPLACED)
            error = {"code": REPLACED, "by": instant_to_json(self._of.now)}
            self._runs.append(
                attrs.evolve(run, status=RunStatus.REPLACED, error=error, finished_at=self._of.now)
            )

    def _spawn(self, key: str, row: Mapping[str, Any] | None) -> None:
        try:
            job = self._of.checked(new_job(self._of.definition, row, self._of.operation))
        except Sp00kyError as error:
            self._end(key, RunStatus.FAILED, {"code": _code(error), "reason": str(error)[:2_048]})
            return
        unique = job_key(self._of.stored.name, self._of.now, key)
        self._spawns.append(Spawn(job=job, job_key=unique, run=self._run(key)))

    def _end(self, key: str, status: RunStatus, error: Mapping[str, Any]) -> None:
        run = attrs.evolve(self._run(key), status=status, error=error, finished_at=self._of.now)
        self._runs.append(run)

    def _run(self, key: str) -> ScheduleRun:
        return ScheduleRun(
            schedule=self._of.stored.name, fired_at=self._of.now, key=key, trigger=self._of.trigger
        )


def new_job(
    definition: ScheduleConfig, row: Mapping[str, Any] | None, operation: Operation | None = None
) -> NewJob:
    """Build the job of a row; None: of a schedule without ``forEach``. Raises ``OptionInvalid``."""
    payload = definition.payload if row is None else with_row(definition.payload, row, operation)
    retry = definition.retry
    strategy = None if retry.strategy is None else PluginStrategy(retry.strategy)  # or a built-in one
    return NewJob(
        path=definition.route,
        payload=payload,
        timeout=definition.timeout,
        max_retries=None if retry.max is None else retry.max - 1,
        retry_strategy=strategy,
    )


def _code(error: Sp00kyError) -> str:
    found = (code for kind, code in _CODES if isinstance(error, kind))
    return next(found, "invalid_option" if isinstance(error, OptionInvalid) else "refused")
