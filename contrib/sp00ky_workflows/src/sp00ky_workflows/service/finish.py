"""End workflows in which nothing is left to do, undo what succeeded where one failed, or begin it again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import cast

from sp00ky_core.ports import ExtensionTransaction, Is, Row
from sp00ky_core.stores.ids import chunks
from sp00ky_workflows.api.records import WITHOUT_DEFINITION, WorkflowRecord, workflow_record
from sp00ky_workflows.model.advance import StepState, begun_again, undo_chain, undone_by
from sp00ky_workflows.model.graph import StepStatus, WorkflowStatus, read_graph
from sp00ky_workflows.model.pauses import signal_of
from sp00ky_workflows.service.advance import LONGEST_REASON, Advance
from sp00ky_workflows.service.steps import Beaten, Steps
from sp00ky_workflows.tables import SIGNALS, STEPS, WORKFLOWS

__all__ = ["begin_again", "end_late", "finish", "hold", "without_open_steps"]

OPEN = ("waiting", "pending")
MOST_OPEN = 2_000
"""Open steps that are read to tell which of some workflows have none."""


async def finish(advance: Advance, ids: Collection[str]) -> list[WorkflowRecord]:
    """End those of some workflows that have no open step; return those that have ended."""
    found, tx = list[WorkflowRecord](), advance.tx
    left = [one for some in chunks(ids) for one in await without_open_steps(tx, some)]
    for some in chunks(left):
        where = [Is("id", "in", tuple(some)), Is("status", "in", ("running", "failed"))]
        rows = await tx.select(WORKFLOWS, where, columns=WITHOUT_DEFINITION)
        runs = [row for row in rows if row["status"] == "running"]
        found += await _end(tx, [row for row in runs if row["failed_step"] is None], WorkflowStatus.SUCCESS)
        for row in rows:
            if row["failed_step"] and (status := await _failed(advance, row)):
                found += await _end(tx, [row], status)
    return found


async def without_open_steps(tx: ExtensionTransaction, ids: Sequence[str]) -> list[str]:
    """Return those of some workflows that have no open step."""
    where = [Is("workflow_id", "in", tuple(ids)), Is("status", "in", OPEN)]
    rows = await tx.select(STEPS, where, columns=("workflow_id",), limit=MOST_OPEN) if ids else []
    left = [*{*ids} - {row["workflow_id"] for row in rows}]
    if len(rows) < MOST_OPEN:
        return left
    own = [(one, [Is("workflow_id", "=", one), Is("status", "in", OPEN)]) for one in left]
    return [one for one, where in own if not await tx.count(STEPS, where)]


async def end_late(tx: ExtensionTransaction, late: Sequence[Row]) -> None:
    """Let no further step begin in workflows whose deadline is over."""
    await Steps(tx).skip({row["id"] for row in late})
    for row in late:
        if row["failed_step"] is None:
            where = [Is("workflow_id", "=", row["id"]), Is("status", "=", "pending")]
            steps = await tx.select(STEPS, where, order=("name",), limit=1, columns=("name",))
            new = {"failed_step": steps[0]["name"] if steps else "deadline"}
            await tx.update(WORKFLOWS, [Is("id", "=", row["id"]), Is("failed_step", "=", None)], new)


async def hold(tx: ExtensionTransaction, key: str, why: str) -> None:
    """Say of a workflow, or of that of a step's job, why it can't go on."""
    rows = await tx.select(STEPS, [Is("job_id", "=", key)], columns=("workflow_id",))
    own = [Is("id", "=", rows[0]["workflow_id"] if rows else key), Is("status", "=", "running")]
    await tx.update(WORKFLOWS, [*own, Is("held_since", "=", None)], {"held_since": tx.now})
    await tx.update(WORKFLOWS, own, {"held": why[:LONGEST_REASON]})


async def _end(tx: ExtensionTransaction, rows: Sequence[Row], status: WorkflowStatus) -> list[WorkflowRecord]:
    """Write down how workflows have ended, unless one goes on meanwhile, as one does after a retry."""
    new = {"status": status.value, "ended_at": tx.now}
    for revision in {row["revision"] for row in rows}:
        ids = tuple(row["id"] for row in rows if row["revision"] == revision)
        as_read = [Is("id", "in", ids), Is("status", "=", "running"), Is("revision", "=", revision)]
        if await tx.update(WORKFLOWS, as_read, new) != len(ids):
            raise Beaten
    return [workflow_record({**row, **new}) for row in rows]


async def _failed(advance: Advance, row: Row) -> WorkflowStatus | None:
    """Return how a workflow ends that has failed; None: it goes on, for there is more to undo, or to do."""
    tx, own = advance.tx, Is("workflow_id", "=", row["id"])
    states = {state.step.name: state for state in await advance.steps.read(own)}
    if any(state.status in OPEN for state in states.values()):
        return None  # another runner has begun something since it was found that nothing is open
    if undoing := [state for name, state in states.items() if undone_by(name)]:
        whole = all(state.status is StepStatus.SUCCESS for state in undoing)
        status = WorkflowStatus.UNDONE if whole else WorkflowStatus.FAILED
        return status if row["status"] == "running" else None
    failed = {name for name, state in states.items() if state.status is StepStatus.FAILED}
    spread = {name for name in failed if states[name].step.members is not None}
    skipped = {name for name, state in states.items() if state.status is StepStatus.SKIPPED}
    is_late = row["deadline"] is not None and row["deadline"] <= (row["ended_at"] or tx.now)
    if failed == spread and skipped | spread and not is_late:  # an operator has retried what had failed
        await begin_again(advance, row["id"], skipped | spread)
        return None
    if row["status"] == "failed":
        return None
    (full,) = await tx.select(WORKFLOWS, [Is("id", "=", row["id"])], columns=("definition",))
    done = [state.step for state in states.values() if state.status is StepStatus.SUCCESS]
    chain = undo_chain(read_graph(full["definition"]), [step for step in done if step.members is None])
    if not chain:
        return WorkflowStatus.FAILED
    undoing = [
        StepState(workflow_id=row["id"], step=step, waits_for=int(n > 0)) for n, step in enumerate(chain)
    ]
    as_read = [Is("id", "=", row["id"]), Is("status", "=", "running"), Is("revision", "=", row["revision"])]
    new = {"deadline": None, "revision": row["revision"] + 1}  # whoever read it before ends it no more
    if not await tx.update(WORKFLOWS, as_read, new):
        raise Beaten
    advance.workflows.pop(row["id"], None)
    advance.steps.add(undoing)
    await advance.go_on(ready=undoing[:1])
    return None


def _deadline(row: Row, now: datetime) -> datetime | None:
    """Return when a workflow that goes on has to have ended: as before, or in as long as it had then."""
    if row["deadline"] is not None and row["deadline"] > now:
        return cast("datetime", row["deadline"])
    return None if row["deadline_s"] is None else now + timedelta(seconds=row["deadline_s"])


def _taken(state: StepState) -> str | None:
    """Return the signal that a step has taken; another is waited for where it is done again."""
    return signal_of(state.step) if state.status is StepStatus.SUCCESS else None


async def begin_again(
    advance: Advance, workflow_id: str, first: Collection[str], chosen: Collection[str] = ()
) -> None:
    """Have a workflow run again, from some of its steps; a deadline that is over begins anew."""
    tx, own = advance.tx, Is("workflow_id", "=", workflow_id)
    states = {state.step.name: state for state in await advance.steps.read(own)}
    where = [Is("id", "=", workflow_id)]
    columns = ("revision", "status", "deadline", "deadline_s")
    (row,) = await tx.select(WORKFLOWS, where, columns=columns)
    new = {"status": "running", "failed_step": None, "ended_at": None, "deadline": _deadline(row, tx.now)}
    met = [*where, *(Is(name, "=", row[name]) for name in ("revision", "status"))]
    if not await tx.update(WORKFLOWS, met, new | {"revision": row["revision"] + 1}):
        raise Beaten
    again = begun_again(states, first, chosen)
    anew = {name for name, state in again.items() if state.step.for_each and state.step.members is None}
    gone = (name for name, state in states.items() if state.step.of in anew or undone_by(name))
    await advance.steps.delete(workflow_id, gone)
    advance.steps.add(again.values())
    if taken := tuple(signal for name in again if (signal := _taken(states[name]))):
        await tx.delete(SIGNALS, [Is("workflow_id", "=", workflow_id), Is("name", "in", taken)])
    await advance.go_on(ready=[state for state in again.values() if not state.waits_for])
