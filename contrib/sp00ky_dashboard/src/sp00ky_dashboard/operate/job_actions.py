"""Retry, kill, clear, reschedule, copy, redact and erase jobs: those that are ticked, or all that match."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from sp00ky_core import BulkResult, OperatorResult, Outbox
from sp00ky_core.outbox.operators.bulk import (
    CLEAR,
    COPY,
    DONE,
    ERASE,
    KILL,
    REDACT,
    RESCHEDULE,
    RETRY,
    Action,
    last_of,
)
from sp00ky_core.outbox.operators.copies import copying
from sp00ky_dashboard.access.forms import Form
from sp00ky_dashboard.operate.selection import Selection

Steps = AsyncGenerator[BulkResult, None]

OPTIONS: Mapping[str, Callable[[Form, str], object]] = {
    "resend_unknown": Form.has,
    "over": Form.duration,
    "fields": Form.lines,
    "kill": Form.has,
    "keys": Form.has,
    "at": Form.instant,
    "now": Form.has,
    "priority": Form.number,
}
"""How the arguments of the outbox are read from the fields of their names."""


@attrs.frozen(kw_only=True)
class JobAct:
    """Describe an act on jobs.

    Attributes:
        action: What the outbox does.
        text: What becomes of the jobs.
        asks: Fields of the confirmation.
        is_dangerous: It can't be undone.
    """

    action: Action
    text: str
    asks: tuple[str, ...] = ()
    is_dangerous: bool = False

    @property
    def verb(self) -> str:
        """What stands on the button."""
        return self.action.name.capitalize()

    @property
    def has_proof(self) -> bool:
        """Whether its result is a ``RedactionResult``."""
        return self.action in {REDACT, ERASE}

    def question(self, count: int, target: str) -> str:
        """Ask whether it is wanted."""
        return f"{self.verb} {jobs_text(count)}{f' to {target}' if target else ''}?"

    async def count(self, outbox: Outbox, chosen: Selection, target: str) -> int:
        """Count the jobs that it would be done to, copied to ``target`` or each to its own backend.

        Raises:
            OptionInvalid: The filters choose none that it can be done to.
        """
        if chosen.ids:
            return len(chosen.ids)
        if self.has_proof:
            return (await last_of(self._proven(outbox, chosen, dry_run=True))).matched
        action = copying(outbox.backends, target) if target else self.action
        return await outbox.count_matching(action, chosen.conditions)

    def steps(self, outbox: Outbox, chosen: Selection, form: Form, act: Mapping[str, Any]) -> Steps:
        """Do it, with ``actor`` and ``reason``. Raises ``OptionInvalid``, here or at the first step."""
        options = {**act, **self._options(form)}
        if self.has_proof:
            return self._proven(outbox, chosen, **options)
        if chosen.ids:
            return _at_once(partial(getattr(outbox, self.action.name), *chosen.ids, **options))
        if self.action is COPY:
            return outbox.copy_steps(chosen.conditions, **options)
        return outbox.steps(self.action, chosen.conditions, **options)

    def _options(self, form: Form) -> dict[str, object]:
        options = {name: read(form, name) for name, read in OPTIONS.items() if name in self.asks}
        return options | ({"backend": form.text("to") or None} if self.action is COPY else {})

    def _proven(self, outbox: Outbox, chosen: Selection, **options: Any) -> Steps:
        conditions = None if chosen.ids else chosen.conditions
        steps: Steps = getattr(outbox, f"{self.action.name}_steps")(*chosen.ids, filter=conditions, **options)
        return steps


async def _at_once(operate: Callable[[], Awaitable[Sequence[object]]]) -> Steps:
    """Do it to jobs that are named, in one step."""
    results = await operate()
    undone = [result for result in results if isinstance(result, OperatorResult) and result.fate not in DONE]
    refused: Any = Counter(result.fate.value for result in undone)
    problem = next((result.problem for result in undone if result.problem), None)
    yield BulkResult(matched=len(results), done=len(results) - len(undone), refused=refused, problem=problem)


_ACTS = (
    JobAct(
        action=RETRY,
        text="They become pending again, with all their retries.",
        asks=("over", "resend_unknown"),
    ),
    JobAct(
        action=RESCHEDULE,
        text="Those that are pending become due at another time, or get another priority. What they hold "
        "back by their ordering key waits on.",
        asks=("at", "now", "priority"),
    ),
    JobAct(
        action=COPY,
        text="New jobs like them are enqueued, checked as every new job is; the old ones stay as they are.",
        asks=("to",),
    ),
    JobAct(
        action=KILL,
        text="They end as failed. A request that is under way may still arrive; its answer isn't written.",
        is_dangerous=True,
    ),
    JobAct(
        action=CLEAR,
        text="Their rows are deleted: they can't be retried or looked at any more.",
        is_dangerous=True,
    ),
    JobAct(
        action=REDACT,
        text="Payload, result and the errors' reasons are taken out of those that have ended: they can't be "
        "retried any more. Ids, times and codes stay.",
        asks=("fields", "kill", "keys"),
        is_dangerous=True,
    ),
    JobAct(
        action=ERASE,
        text="What hasn't ended is killed. Once no request of theirs can be under way, all are deleted, with "
        "what extensions have of them.",
        is_dangerous=True,
    ),
)

JOB_ACTS = {act.action.name: act for act in _ACTS}


def jobs_text(count: int) -> str:
    """Write a number of jobs."""
    return "1 job" if count == 1 else f"{count:,} jobs"
