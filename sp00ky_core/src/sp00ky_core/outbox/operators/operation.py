"""Describe one operation on jobs: what the store is called with, and what is written down of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import attrs

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.hints import shown
from sp00ky_core.job.options import check_option
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.outbox.operators.audit import act_of
from sp00ky_core.outbox.operators.bulk import KILL, REDRIVE, Action, BulkResult, Operate
from sp00ky_core.ports import Act, OperatorResult, Store
from sp00ky_core.stores.transitions import KILL_REASON, clear, kill, redrive, reschedule


def _check_over(_operation: object, _field: object, value: timedelta | None) -> None:
    if value is not None:
        check_option("over", value, like="delay")


@attrs.frozen(kw_only=True)
class Operation:
    """Describe what is to be done to jobs.

    Attributes:
        action: What is done.
        reason: Why; of a kill it is written into each job's ``errors``, too.
        actor: Who does it, as they say.
        resend_unknown: Of a redrive: also jobs whose only request may have arrived.
        over: Of a redrive: the jobs become due evenly within so long; None: all at once.
        change: Of a reschedule.
    """

    action: Action
    reason: str | None = None
    actor: str | None = None
    resend_unknown: bool = False
    over: timedelta | None = attrs.field(default=None, validator=_check_over)
    change: Rescheduled | None = None

    def act(self, selection: Mapping[str, Any], *, via: str) -> Act:
        """Describe it for the audit. Raises ``OptionInvalid``."""
        asked: dict[str, Any] = {"resend_unknown": self.resend_unknown or None, "over": self.over}
        changed = {} if self.change is None else attrs.asdict(self.change, recurse=False)
        whole = {**selection, **asked, **changed}
        return act_of(self.action.name, whole, via=via, reason=self.reason, actor=self.actor)

    def on(self, store: Store) -> Operate:
        """Return what does it to jobs of a store, by their ids."""
        begun: float | None = None

        async def operate(job_ids: Sequence[str], so_far: BulkResult) -> Sequence[OperatorResult]:
            nonlocal begun
            now = monotonic()
            begun = now if begun is None else begun
            delays = self._delays(len(job_ids), so_far, elapsed=now - begun)
            return await self._do(store, job_ids, delays)

        return operate

    async def _do(
        self, store: Store, job_ids: Sequence[str], delays: Sequence[float] | None
    ) -> Sequence[OperatorResult]:
        if self.action is KILL:
            return await kill(store, job_ids, reason=self.reason or KILL_REASON)
        if self.action is REDRIVE:
            return await redrive(store, job_ids, resend_unknown=self.resend_unknown, delays=delays)
        if self.change is not None:
            return await reschedule(store, job_ids, self.change)
        return await clear(store, job_ids)

    def _delays(self, count: int, so_far: BulkResult, *, elapsed: float) -> Sequence[float] | None:
        """Space the next jobs of those that match; the time that has gone by since the first counts."""
        if self.over is None:
            return None
        over, first, total = self.over.total_seconds(), so_far.looked_at, max(so_far.matched, 1)
        due = (over * min(first + n, total) / total for n in range(count))
        return [max(each - elapsed, 0.0) for each in due]


def checked_change(
    *, at: datetime | None, delay: timedelta | None, now: bool, priority: int | None
) -> Rescheduled:
    """Make a change of pending jobs.

    Raises:
        OptionInvalid: an option out of its range, two of ``at``, ``delay`` and ``now``, or none of all.
    """
    if at is not None:
        check_option("at", at, like="expires_at")
    if delay is not None:
        check_option("delay", delay)
    if priority is not None:
        check_option("priority", priority)
    times = [
        name for name, given in (("at", at), ("delay", delay), ("now", now or None)) if given is not None
    ]
    if len(times) > 1:
        expected = "one of at, delay and now"
        raise OptionInvalid(option=times[0], value=f"given with {times[1]}", expected=expected)
    if not times and priority is None:
        raise OptionInvalid(option="at", value=shown(at), expected="a time, delay, now or a priority")
    seconds = 0.0 if now else None if delay is None else delay.total_seconds()
    return Rescheduled(run_at=at, delay=seconds, priority=priority)
