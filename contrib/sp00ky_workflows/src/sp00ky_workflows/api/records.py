"""Hold a workflow, its steps and a batch as their rows have them; write them as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.ports import ExtensionTransaction, Is, Row
from sp00ky_workflows.errors import UnknownWorkflow
from sp00ky_workflows.model.advance import StepState
from sp00ky_workflows.model.graph import StepStatus, WorkflowStatus
from sp00ky_workflows.model.pauses import ENDLESS, NOT_BEGUN, is_pause
from sp00ky_workflows.tables import WORKFLOWS

__all__ = ["BatchRecord", "StepRecord", "WorkflowRecord"]


@attrs.frozen(kw_only=True)
class StepRecord:
    """A step of a workflow.

    Attributes:
        name: Its name; of an item of a ``for_each`` it ends with ``[0]`` and so on, and of what undoes a step
            it begins with ``undo:``.
        status: Its status.
        waits_for: How many of ``after`` it still waits for.
        job_id: Of its job; None: there is none yet.
        result: What its job answered; of a failed one ``code`` and ``reason``.
        after: The steps that it needs.
        backend: Whose job it is.
        path: The operation; of a step without a job ``sleep`` or ``wait_for``.
        due_at: When a step without a job is over, at the latest.
    """

    name: str
    status: StepStatus
    waits_for: int
    job_id: str | None
    result: Any
    after: tuple[str, ...]
    backend: str
    path: str
    due_at: datetime | None = None


@attrs.frozen(kw_only=True)
class WorkflowRecord:
    """A workflow that was created.

    Attributes:
        id: Its id: ours, of which later ones are greater, or its maker's.
        name: Its name.
        input: What it was given.
        status: Its status.
        revision: 1, and one more for each retry, and where it is undone.
        failed_step: The first that failed.
        created_at: When it was created.
        ended_at: When it ended.
        deadline: When it is failed, unless it has ended.
        schedule: What has started it.
        key: The schedule's, of ``forEach``.
        held: Why nothing goes on: no runner knows a step, or what follows can't be written. None: it does.
        held_since: Since when.
        steps: In no order that matters; empty in lists.
    """

    id: str
    name: str
    input: Any
    status: WorkflowStatus
    revision: int
    failed_step: str | None
    created_at: datetime
    ended_at: datetime | None
    deadline: datetime | None
    schedule: str | None
    key: str | None
    held: str | None
    held_since: datetime | None
    steps: tuple[StepRecord, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether it is no longer running."""
        return self.status is not WorkflowStatus.RUNNING

    def counts(self) -> Mapping[str, int]:
        """Count its steps by status."""
        found = [step.status.value for step in self.steps]
        return {status.value: found.count(status.value) for status in StepStatus if status.value in found}


@attrs.frozen(kw_only=True)
class BatchRecord:
    """A batch.

    Attributes:
        id: Made of its name.
        name: Its name.
        size: How many jobs it has.
        closed: None is added any more.
        succeeded: How many of them have succeeded.
        failed: How many have failed.
        ended: It is closed, and all have ended.
    """

    id: str
    name: str
    size: int
    closed: bool
    succeeded: int
    failed: int
    ended: bool


WITHOUT_DEFINITION = tuple(field.name for field in attrs.fields(WorkflowRecord) if field.name != "steps")
"""The columns of workflows that records have."""


def step_record(row: Row) -> StepRecord:
    """Read a step's row as others see it."""
    state = StepState.of(row)
    step, result = state.step, state.result
    return StepRecord(
        name=step.name,
        status=state.status,
        waits_for=max(state.waits_for - is_pause(step), 0),
        job_id=state.job_id,
        result=None if result is None else _value(result),
        after=tuple(state.needed),
        backend=step.backend,
        path=step.path,
        due_at=state.due_at if state.due_at and NOT_BEGUN < state.due_at < ENDLESS else None,
    )


def _value(result: str) -> Any:
    """Read a result; up to 0.4 SurrealDB's text was written as it is."""
    try:
        return decode(result)
    except ValueError:
        return result


def workflow_record(row: Row, steps: tuple[StepRecord, ...] = ()) -> WorkflowRecord:
    """Read a workflow's row."""
    values = {name: row[name] for name in WITHOUT_DEFINITION}
    values["input"] = None if row["input"] is None else decode(row["input"])
    return WorkflowRecord(**{**values, "status": WorkflowStatus(row["status"])}, steps=steps)


ENDED = 2
"""What ``closed`` is of a batch that has ended, and whose callback is made; 1 once it is closed."""


def batch_record(row: Row) -> BatchRecord:
    """Read a batch's row."""
    names = ("id", "name", "size", "succeeded", "failed")
    closed = row["closed"]
    return BatchRecord(**{name: row[name] for name in names}, closed=bool(closed), ended=closed == ENDED)


async def found(
    tx: ExtensionTransaction, workflow_id: str, columns: Sequence[str] | None = WITHOUT_DEFINITION
) -> Row:
    """Return a workflow's row. Raises ``UnknownWorkflow``."""
    for row in await tx.select(WORKFLOWS, [Is("id", "=", workflow_id)], columns=columns):
        return row
    raise UnknownWorkflow(f"there is no workflow {workflow_id!r:.80}; `sp00ky workflows list` has them")
