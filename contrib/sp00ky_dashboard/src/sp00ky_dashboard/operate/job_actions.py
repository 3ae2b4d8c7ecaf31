"""Retry, kill and clear jobs: those that were selected, or all that match."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs

from sp00ky_core import JobFilter, OperatorResult, Outbox
from sp00ky_core.errors import OptionInvalid
from sp00ky_core.outbox.operators.bulk import CLEAR, DONE, KILL, REDRIVE, Action
from sp00ky_dashboard.access.authentication import Operator
from sp00ky_dashboard.access.forms import Form
from sp00ky_dashboard.operate.bulk import BulkOperation
from sp00ky_dashboard.pages.filters import NAMES, absolute, conditions_of, written_in


@attrs.frozen(kw_only=True)
class JobAct:
    """Describe an act on jobs.

    Attributes:
        action: What the outbox does.
        verb: On the button.
        done: The participle.
        text: What becomes of the jobs.
        asks: Fields of the confirmation.
        is_dangerous: It can't be undone.
    """

    action: Action
    verb: str
    done: str
    text: str
    asks: tuple[str, ...] = ("reason",)
    is_dangerous: bool = False

    def question(self, count: int) -> str:
        """Ask whether it is wanted."""
        return f"{self.verb} {jobs_text(count)}?"

    def options(self, form: Form) -> dict[str, object]:
        """Return what the outbox is called with. Raises ``OptionInvalid``."""
        if self.action is not REDRIVE:
            return {}
        return {"resend_unknown": form.has("resend_unknown"), "over": form.duration("over")}

    def results_line(self, results: Sequence[OperatorResult], operator: Operator) -> str:
        """Say what became of jobs that were named; why, where the operator may see it."""
        fates = Counter("done" if result.fate in DONE else result.fate.value for result in results)
        problem = next((result.problem for result in results if result.problem), None)
        return result_line(self.done, fates.pop("done", 0), fates, operator.seen(problem))


JOB_ACTS = {
    "redrive": JobAct(
        action=REDRIVE,
        verb="Retry",
        done="retried",
        text="They become pending again, with all their retries.",
        asks=("reason", "over", "resend_unknown"),
    ),
    "kill": JobAct(
        action=KILL,
        verb="Kill",
        done="killed",
        text="They end as failed. A request that is under way may still arrive; its answer isn't written.",
        is_dangerous=True,
    ),
    "clear": JobAct(
        action=CLEAR,
        verb="Clear",
        done="cleared",
        text="Their rows are deleted: they can't be retried or looked at any more.",
        is_dangerous=True,
    ),
}


@attrs.frozen(kw_only=True)
class Selection:
    """Which jobs are meant.

    Attributes:
        ids: Those that are ticked; empty: all that meet the conditions.
        conditions: The page's filters.
    """

    ids: Sequence[str]
    conditions: JobFilter

    async def count(self, outbox: Outbox, wanted: JobAct) -> int:
        """Count the jobs. Raises ``OptionInvalid`` where the filters choose none that it can be done to."""
        return len(self.ids) or await outbox.count_matching(wanted.action, self.conditions)

    def fields(self) -> list[tuple[str, str]]:
        """Return the fields that choose the same jobs again."""
        if self.ids:
            return [("id", id_) for id_ in self.ids]
        chosen = absolute(self.conditions)
        return [("all", "1"), *((name, chosen.get(name, "")) for name in NAMES)]


def selected(outbox: Outbox, form: Form) -> Selection:
    """Read which jobs are meant. Raises ``OptionInvalid`` where none is chosen."""
    if form.has("all"):
        written = written_in({name: form.text(name) for name in NAMES})
        return Selection(ids=(), conditions=conditions_of(outbox, written))
    ids = form.all("id")
    if not ids:
        expected = "some jobs, or all that match: nothing was done"
        raise OptionInvalid(option="selection", value="nothing is ticked", expected=expected)
    return Selection(ids=ids, conditions=JobFilter())


def ended_line(operation: BulkOperation, operator: Operator) -> str:
    """Say what became of an operation on all jobs that match; why, where the operator may see it."""
    result = operation.result
    refused = {} if result is None else {why: count for why, count in result.refused.items() if count}
    problem = operation.problem or (None if result is None else result.problem)
    return result_line(
        operation.action, 0 if result is None else result.done, refused, operator.seen(problem)
    )


def result_line(done: str, count: int, refused: Any, problem: str) -> str:
    """Say how many were done, how many refused, and why."""
    line = f"{jobs_text(count)} {done}."
    if refused:
        line += (
            " Refused: "
            + ", ".join(f"{number:,} {why.replace('_', ' ')}" for why, number in refused.items())
            + "."
        )
    return line + (f" {problem}." if problem else "")


def jobs_text(count: int) -> str:
    """Write a number of jobs."""
    return "1 job" if count == 1 else f"{count:,} jobs"
