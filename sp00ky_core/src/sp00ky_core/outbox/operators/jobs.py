"""Kill, retry, reschedule and clear jobs; each act is written down."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Required, Unpack, overload

import attrs

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.job.options import check_option, expect
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.outbox.operators.audit import act_of, recorded, recorded_steps
from sp00ky_core.outbox.operators.bulk import (
    CLEAR,
    DONE,
    KILL,
    RESCHEDULE,
    RETRY,
    Action,
    BulkResult,
    Operate,
    Selection,
    count_matching,
    last_of,
    steps,
)
from sp00ky_core.outbox.queries import Queries
from sp00ky_core.ports import Act, ActOptions, JobFilter, OperatorResult
from sp00ky_core.stores.transitions import KILL_REASON, clear, kill, report_settled, reschedule, retry


class MatchingOptions(ActOptions, total=False):
    """Choose the jobs that meet conditions, for the audit with ``reason`` and ``actor``.

    Attributes:
        filter: The conditions.
        limit: At most so many, the newest.
    """

    filter: Required[JobFilter]
    limit: int | None


class RetryOptions(ActOptions, total=False):
    """Say how jobs are retried; see ``Outbox.retry``.

    Attributes:
        resend_unknown: Also those with ``max_retries = 0`` whose only request may have arrived.
        over: They become due one after the other, evenly within so long from now; None: all at once.
    """

    resend_unknown: bool
    over: timedelta | None


class RetryMatchingOptions(RetryOptions, MatchingOptions):
    """Choose the jobs that meet conditions, and say how they are retried."""


class RescheduleOptions(ActOptions, total=False):
    """Say what changes of pending jobs; see ``Outbox.reschedule``.

    Attributes:
        at: They are due then; or
        delay: so long from now; or
        now: at once. None of the three: as before.
        priority: From 0 to 3; None: as before.
    """

    at: datetime | None
    delay: timedelta | None
    now: bool
    priority: int | None


class RescheduleMatchingOptions(RescheduleOptions, MatchingOptions):
    """Choose the jobs that meet conditions, and say what changes of them."""


@attrs.frozen(kw_only=True)
class Operation:
    """Describe what is to be done to jobs.

    Attributes:
        action: What is done.
        reason: Why; of a kill it is written into each job's ``errors``, too.
        actor: Who does it, as they say.
        resend_unknown: Of a retry: also jobs whose only request may have arrived.
        over: Of a retry: the jobs become due evenly within so long; None: all at once.
        change: Of a reschedule.
    """

    action: Action
    reason: str | None = None
    actor: str | None = None
    resend_unknown: bool = False
    over: timedelta | None = None
    change: Rescheduled | None = None

    def act(self, selection: Selection, *, via: str) -> Act:
        """Describe it for the audit. Raises ``OptionInvalid``."""
        asked: dict[str, Any] = {"resend_unknown": self.resend_unknown or None, "over": self.over}
        changed = {} if self.change is None else attrs.asdict(self.change, recurse=False)
        whole = {**selection.described(), **asked, **changed}
        return act_of(self.action.name, whole, via=via, reason=self.reason, actor=self.actor)

    def delays(self, count: int, so_far: BulkResult, *, elapsed: float) -> Sequence[float] | None:
        """Space the next jobs of those that match, so many seconds after the first; None: all are due."""
        if self.over is None:
            return None
        over, first, total = self.over.total_seconds(), so_far.looked_at, max(so_far.matched, 1)
        due = (over * min(first + n, total) / total for n in range(count))
        return [max(seconds - elapsed, 0.0) for seconds in due]


OPTIONS: Mapping[Action, frozenset[str]] = {
    KILL: ActOptions.__optional_keys__,
    RETRY: RetryOptions.__optional_keys__,
    CLEAR: ActOptions.__optional_keys__,
    RESCHEDULE: RescheduleOptions.__optional_keys__,
}


def _operation(action: Action, options: Mapping[str, Any]) -> Operation:
    """Describe what is to be done. Raises ``OptionInvalid`` for an option that the action doesn't have."""
    names = " or ".join(f"`{known.name}`" for known in OPTIONS)
    expect("action", action.name, names, met=action in OPTIONS)
    for name, value in options.items():
        expect(name, value, f"left out: `{action.name}` has no such option", met=name in OPTIONS[action])
    check_option("over", options.get("over"), like="delay")
    return _rescheduling(**options) if action is RESCHEDULE else Operation(action=action, **options)


def _rescheduling(
    *,
    at: datetime | None = None,
    delay: timedelta | None = None,
    now: bool = False,
    priority: int | None = None,
    **act: Unpack[ActOptions],
) -> Operation:
    """Describe a change of pending jobs.

    Raises:
        OptionInvalid: an option out of its range, two of ``at``, ``delay`` and ``now``, or none of all.
    """
    check_option("at", at, like="expires_at")
    check_option("delay", delay)
    check_option("priority", priority)
    given = {"at": at, "delay": delay, "now": now or None}
    times = [name for name, value in given.items() if value is not None]
    if len(times) > 1:
        expected = "one of `at`, `delay` and `now`"
        raise OptionInvalid(option=times[0], value=f"given with `{times[1]}`", expected=expected)
    if not times and priority is None:
        nothing = "not given, nor is `delay`, `now` or `priority`"
        raise OptionInvalid(option="at", value=nothing, expected="one of them")
    seconds = 0.0 if now else None if delay is None else delay.total_seconds()
    change = Rescheduled(run_at=at, delay=seconds, priority=priority)
    return Operation(action=RESCHEDULE, change=change, **act)


logger: logging.Logger = logging.getLogger(__name__)


class JobOperators(Queries):
    """Operate on jobs of a store; a base of ``Outbox``."""

    @overload
    async def kill(self, *job_ids: str, **act: Unpack[ActOptions]) -> list[OperatorResult]: ...

    @overload
    async def kill(self, **matching: Unpack[MatchingOptions]) -> BulkResult: ...

    async def kill(self, *job_ids: str, **options: Any) -> Any:
        """End jobs that are pending or processing; an attempt in flight is fenced off.

        Args:
            job_ids: The jobs; or
            options: ``filter``, the conditions that they meet; 100 at a time. With it ``limit``: at most so
                many, the newest. ``reason`` and ``actor``, for the audit; the reason goes into each job's
                ``errors``, too.

        Returns:
            Each job's fate, in order; with ``filter`` the numbers of them.

        Raises:
            OptionInvalid: both ids and a filter, a limit without one, an id that is no text, or a filter on a
                status that can't be killed.
        """
        return await self._operate(KILL, job_ids, **options)

    @overload
    async def retry(self, *job_ids: str, **options: Unpack[RetryOptions]) -> list[OperatorResult]: ...

    @overload
    async def retry(self, **matching: Unpack[RetryMatchingOptions]) -> BulkResult: ...

    async def retry(self, *job_ids: str, **options: Any) -> Any:
        """Make failed jobs pending again, with all their retries; as ``kill`` otherwise.

        Of jobs that meet a filter the oldest comes first: jobs of one ``ordering_key`` take their old places.

        Args:
            job_ids: The jobs; or
            options: As of ``kill``, and ``resend_unknown``: also those with ``max_retries = 0`` whose only
                request may have arrived. ``over``: they become due one after the other, evenly within so long
                from now; None: all at once.
        """
        return await self._operate(RETRY, job_ids, **options)

    @overload
    async def clear(self, *job_ids: str, **act: Unpack[ActOptions]) -> list[OperatorResult]: ...

    @overload
    async def clear(self, **matching: Unpack[MatchingOptions]) -> BulkResult: ...

    async def clear(self, *job_ids: str, **options: Any) -> Any:
        """Delete jobs that have ended; as ``kill`` otherwise, but with ``filter`` of 10,000 at a time."""
        return await self._operate(CLEAR, job_ids, **options)

    @overload
    async def reschedule(
        self, *job_ids: str, **options: Unpack[RescheduleOptions]
    ) -> list[OperatorResult]: ...

    @overload
    async def reschedule(self, **matching: Unpack[RescheduleMatchingOptions]) -> BulkResult: ...

    async def reschedule(self, *job_ids: str, **options: Any) -> Any:
        """Change when pending jobs are due, or their priority; others are refused; as ``kill`` otherwise.

        Args:
            job_ids: The jobs; or
            options: As of ``kill``, and ``at``, ``delay`` (from now) or ``now``: when they are due;
                ``priority``, from 0 to 3.

        Raises:
            OptionInvalid: an option out of its range, two of ``at``, ``delay`` and ``now``, or nothing that
                changes.
        """
        return await self._operate(RESCHEDULE, job_ids, **options)

    def steps(
        self, action: Action, conditions: JobFilter, *, limit: int | None = None, **options: Any
    ) -> AsyncGenerator[BulkResult, None]:
        """Do it to the jobs that meet conditions, in batches; yield how far it has come after each.

        The arguments are those of ``kill``, ``retry`` and ``reschedule``.

        Raises:
            UnknownBackend: The filter names one that isn't configured.
            OptionInvalid: As ``kill`` and ``reschedule``; an option that the action doesn't have.
        """
        return self._steps(_operation(action, options), Selection((), conditions, limit))

    def _steps(self, operation: Operation, selection: Selection) -> AsyncGenerator[BulkResult, None]:
        act, operate = operation.act(selection, via=self.via), self._operate_with(operation)
        return self._matching_steps(act, operation.action, selection, operate)

    def _matching_steps(
        self, act: Act, action: Action, selection: Selection, operate: Operate
    ) -> AsyncGenerator[BulkResult, None]:
        """Do it to jobs that meet conditions; nothing is written down of what can't be done."""
        conditions = selection.matching()
        action.filters(conditions)
        self.backends.meant(conditions)
        work = steps(self.jobs, action, conditions, operate, limit=selection.limit)
        return recorded_steps(self.store, act, work)

    async def count_matching(self, action: Action, conditions: JobFilter, *, limit: int | None = None) -> int:
        """Count the jobs that meet conditions and that it can be done to; arguments as of ``steps``."""
        self.backends.meant(Selection((), conditions, limit).matching())
        return await count_matching(self.jobs, action, conditions, limit=limit)

    async def _operate(
        self,
        action: Action,
        job_ids: Sequence[str],
        *,
        filter: JobFilter | None = None,  # noqa: A002  # as it is called in the documents
        limit: int | None = None,
        **options: Any,
    ) -> list[OperatorResult] | BulkResult:
        operation, selection = _operation(action, options), Selection(job_ids, filter, limit)
        if selection.conditions is None:
            return await self._by_ids(operation, selection)
        return await last_of(self._steps(operation, selection))

    async def _by_ids(self, operation: Operation, selection: Selection) -> list[OperatorResult]:
        act, job_ids = operation.act(selection, via=self.via), selection.job_ids
        if not job_ids:
            return []
        async with recorded(self.store, act) as record:
            results = await self._operate_with(operation)(job_ids, BulkResult(matched=len(job_ids)))
            record.count = len({result.job_id for result in results if result.fate in DONE})
        return list(results)

    def _operate_with(self, operation: Operation) -> Operate:
        begun: float | None = None

        async def operate(job_ids: Sequence[str], so_far: BulkResult) -> Sequence[OperatorResult]:
            nonlocal begun
            now = monotonic()
            begun = now if begun is None else begun
            if operation.action is KILL:
                return await self._kill(job_ids, operation.reason)
            if operation.action is RETRY:
                delays = operation.delays(len(job_ids), so_far, elapsed=now - begun)
                unknown = operation.resend_unknown
                results = await retry(self.store, job_ids, resend_unknown=unknown, delays=delays)
                await self._tell_retried(results)
                return results
            if operation.change is not None:
                return await reschedule(self.store, job_ids, operation.change)
            return await clear(self.store, job_ids)

        return operate

    async def _kill(self, job_ids: Sequence[str], reason: str | None) -> Sequence[OperatorResult]:
        """Kill jobs, and report it to the plugins."""
        results = await kill(self.store, job_ids, reason=reason or KILL_REASON) if job_ids else ()
        await report_settled(self.jobs, self._hooks, results)
        return results

    async def _tell_retried(self, results: Sequence[OperatorResult]) -> None:
        retried = [result.job_id for result in results if result.fate in DONE]
        if retried and self.plugins.extensions:
            await self.extensions.retried(retried)
