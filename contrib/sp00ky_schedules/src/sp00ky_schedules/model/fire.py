"""Decide what a fire makes: jobs, runs that are skipped or replaced; and how runs end. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import attrs

from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.errors import OptionInvalid, PayloadError, Sp00kyError, UnknownRoute
from sp00ky_core.job.job import Job, JobStatus, NewJob, instant_to_json
from sp00ky_core.job.options import is_plain_text
from sp00ky_core.job.outcome import KILLED
from sp00ky_core.job.retry import PluginStrategy
from sp00ky_openapi.operation import Operation, is_explicit
from sp00ky_schedules.model.config import ForEachConfig, ScheduleConfig
from sp00ky_schedules.model.definition import next_fire
from sp00ky_schedules.model.records import (
    MAX_ROWS,
    RunStatus,
    ScheduleChange,
    ScheduleRun,
    Spawn,
    StoredSchedule,
    Trigger,
)

__all__ = ["job_key"]

LONGEST_KEY = 255
"""Characters."""

Row = Mapping[str, Any]


@attrs.frozen(kw_only=True)
class FanOut:
    """The rows that make jobs.

    Attributes:
        rows: By key; of a key that comes twice the first row counts.
        problem: What is left out, or why the query gave no rows, in words; None: nothing is.
    """

    rows: Mapping[str, Row]
    problem: str | None = None


def fan_out(for_each: ForEachConfig, rows: Sequence[Row]) -> FanOut:
    """Choose the rows that make jobs: the first ``MAX_ROWS``, of those that have a key."""
    usable: dict[str, Row] = {}
    unusable: list[int] = []
    for number, row in enumerate(rows[:MAX_ROWS], 1):
        key = _key_of(row.get(for_each.key))
        if key is None:
            unusable.append(number)
        else:
            usable.setdefault(key, row)
    problems = [_unusable(for_each.key, unusable)] if unusable else []
    if len(rows) > MAX_ROWS:
        problems.append(f"the query gives more than {MAX_ROWS:,} rows: those beyond made no job")
    return FanOut(rows=usable, problem="; ".join(problems) or None)


def with_row(payload: Mapping[str, Any], row: Row, operation: Operation | None) -> dict[str, Any]:
    """Return a schedule's payload with a row in it, as ``row``; of an explicit one, in its body.

    What is no object can't hold one: then it stands beside the rest, where the contract refuses it.
    """
    has_fields = operation is not None and any(body.has_fields for body in operation.bodies[:1])
    body = payload.get("$body", {})
    if operation is not None and has_fields and isinstance(body, Mapping) and is_explicit(operation, payload):
        return {**payload, "$body": {**body, "row": dict(row)}}
    return {**payload, "row": dict(row)}


def _unusable(key: str, numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"row {numbers[0]} has no {key!r} that can be a key"
    return f"{len(numbers):,} rows have no {key!r} that can be a key, the first is row {numbers[0]}"


def _key_of(value: Any) -> str | None:
    """Write a row's key as text; None: it is missing, too long, or no database can hold it."""
    if value is None:
        return None
    key = value if isinstance(value, str) else encode(value).decode()
    return key if 0 < len(key) <= LONGEST_KEY and is_plain_text(key) else None


DEADLINE_EXCEEDED, REPLACED, JOB_GONE = "deadline_exceeded", "replaced", "job_gone"
"""Codes of runs' errors; the first two begin the reason of the kill that they stand for."""

_REASONS = {
    DEADLINE_EXCEEDED: "its schedule's deadline has passed",
    REPLACED: "its schedule has fired again",
}


def kill_reason(code: str) -> str:
    """Return the reason to kill a job with, from which ``ended`` knows the code again."""
    return f"{code}: {_REASONS[code]}"


def is_late(run: ScheduleRun, deadline: float, now: datetime) -> bool:
    """Return whether a run that hasn't ended is past its schedule's deadline (0: there is none).

    None counts for a run that was reopened: an operator has decided how late it may be.
    """
    is_reopened = run.finished_at is not None
    return deadline > 0 and not is_reopened and run.fired_at + timedelta(seconds=deadline) <= now


def ended(run: ScheduleRun, job: Job | None, now: datetime) -> ScheduleRun | None:
    """Return the run as it ended, by its job; None: it goes on. A job that is gone has failed."""
    if job is not None and not job.is_terminal:
        return None
    status, error = _end_by(job)
    ended_at = None if job is None else job.updated_at
    return attrs.evolve(run, status=status, error=error, finished_at=ended_at or now)


def _end_by(job: Job | None) -> tuple[RunStatus, dict[str, Any] | None]:
    if job is None:
        return RunStatus.FAILED, {"code": JOB_GONE, "reason": "its job was deleted"}
    if job.status is JobStatus.SUCCESS:
        return RunStatus.SUCCESS, None
    if not job.errors:
        return RunStatus.FAILED, {"code": "unknown", "reason": "its job says nothing of it"}
    last = job.errors[-1]
    error = {"code": last.name, "reason": last.reason} | ({"status": last.code} if last.code else {})
    if last.name != KILLED:
        return RunStatus.FAILED, error
    code, _, reason = last.reason.partition(": ")
    if code not in _REASONS:
        return RunStatus.KILLED, error
    status = RunStatus.REPLACED if code == REPLACED else RunStatus.KILLED
    return status, {"code": code, "reason": reason}


def failures_after(failures: Mapping[str, int], runs: Iterable[ScheduleRun]) -> dict[str, int]:
    """Return each key's failures in a row after these runs have ended, in their order.

    A run that failed or exceeded its deadline counts, a success ends the row, others change nothing. Of more
    keys than a query may give, those that failed last are remembered: others may never come again.
    """
    counts = dict(failures)
    for run in runs:
        late = run.status is RunStatus.KILLED and (run.error or {}).get("code") == DEADLINE_EXCEEDED
        if run.status is RunStatus.SUCCESS:
            counts.pop(run.key, None)
        elif run.status is RunStatus.FAILED or late:
            counts[run.key] = counts.pop(run.key, 0) + 1
    return dict(list(counts.items())[-MAX_ROWS:])


SKIPPED_BUSY, SKIPPED_QUARANTINE = "concurrency_skip", "quarantine"
"""Codes of the errors of runs that were skipped."""

_CODES = (
    (UnknownRoute, "unknown_route"),
    (PayloadError, "invalid_payload"),
    (OptionInvalid, "invalid_option"),
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
        operation: What is called; None: that isn't known.
        checked: Checks a new job against its backend. Raises ``Sp00kyError``.
    """

    stored: StoredSchedule
    definition: ScheduleConfig
    now: datetime
    trigger: Trigger
    open_runs: Sequence[OpenRun] = ()
    rows: FanOut | None = None
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
        for key, row in ({"": None} if rows is None else rows.rows).items():
            self._decide_key(key, row)
        return Fire(change=self._change(), kills=self._kills)

    def _change(self) -> ScheduleChange:
        stored, now, definition = self._of.stored, self._of.now, self._of.definition
        by_clock = self._of.trigger is Trigger.CRON
        new = [run for run in self._runs if run.fired_at == now]
        after = attrs.evolve(
            stored,
            next_fire_at=next_fire(definition, now) if by_clock else stored.next_fire_at,
            last_fired_at=now,
            last_error=None if self._of.rows is None else self._of.rows.problem,
            failures={} if definition.quarantine_after is None else failures_after(self._failures, new),
        )
        return ScheduleChange(schedule=after, spawns=self._spawns, runs=self._runs)

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
            self._finish(run, RunStatus.REPLACED, error)

    def _spawn(self, key: str, row: Mapping[str, Any] | None) -> None:
        try:
            job = self._of.checked(new_job(self._of.definition, row, self._of.operation))
        except Sp00kyError as error:
            code = next((code for kind, code in _CODES if isinstance(error, kind)), "refused")
            self._end(key, RunStatus.FAILED, {"code": code, "reason": str(error)[:2_048]})
            return
        unique = job_key(self._of.stored.name, self._of.now, key)
        self._spawns.append(Spawn(job=job, job_key=unique, run=self._run(key)))

    def _end(self, key: str, status: RunStatus, error: Mapping[str, Any]) -> None:
        self._finish(self._run(key), status, error)

    def _finish(self, run: ScheduleRun, status: RunStatus, error: Mapping[str, Any]) -> None:
        self._runs.append(attrs.evolve(run, status=status, error=error, finished_at=self._of.now))

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
