"""End workflows in which nothing is left to do, and undo what succeeded where one has failed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sp00ky_core.ports import ExtensionTransaction, Is, Row
from sp00ky_workflows.api.records import WITHOUT_DEFINITION, WorkflowRecord, state_of, workflow_record
from sp00ky_workflows.model.advance import UNDO, StepState, begun_again, undo_chain
from sp00ky_workflows.model.graph import StepStatus, WorkflowStatus, read_graph, read_step
from sp00ky_workflows.service.rows import Beaten, chunks
from sp00ky_workflows.tables import STEPS, WORKFLOWS

__all__ = ["end_late", "finish", "go_on", "without_open_steps", "write_again"]

OPEN = ("waiting", "pending")
MOST_OPEN = 2_000
"""Open steps that are read to tell which of some workflows have none."""


async def finish(tx: ExtensionTransaction, workflows: Collection[str]) -> list[WorkflowRecord]:
    """End those of some workflows that have no open step; return those that have ended."""
    found = list[WorkflowRecord]()
    for ids in chunks(workflows):
        left = await without_open_steps(tx, ids)
        where = [Is("id", "in", tuple(left)), Is("status", "=", "running")]
        rows = await tx.select(WORKFLOWS, where, columns=WITHOUT_DEFINITION)
        done = [row for row in rows if row["failed_step"] is None]
        found += await _end(tx, done, WorkflowStatus.SUCCESS)
        for row in rows:
            if row["failed_step"] and (status := await _undo(tx, row["id"])) is not WorkflowStatus.RUNNING:
                found += await _end(tx, [row], status)
    return found


async def without_open_steps(tx: ExtensionTransaction, ids: Sequence[str]) -> set[str]:
    """Return those of some workflows that have no open step."""
    if not ids:
        return set()
    where = [Is("workflow_id", "in", tuple(ids)), Is("status", "in", OPEN)]
    rows = await tx.select(STEPS, where, columns=("workflow_id",), limit=MOST_OPEN)
    left = {*ids} - {row["workflow_id"] for row in rows}
    if len(rows) < MOST_OPEN:
        return left
    own = ((one, [Is("workflow_id", "=", one), Is("status", "in", OPEN)]) for one in left)
    return {one for one, where in own if not await tx.count(STEPS, where)}


async def end_late(tx: ExtensionTransaction, late: Sequence[Row]) -> None:
    """Let no further step begin in workflows whose deadline is over."""
    for row in late:
        own = [Is("workflow_id", "=", row["id"])]
        await tx.update(STEPS, [*own, Is("status", "=", "waiting")], {"status": "skipped"})
        if row["failed_step"] is None:
            where = [*own, Is("status", "=", "pending")]
            steps = await tx.select(STEPS, where, order=("name",), limit=1, columns=("name",))
            new = {"failed_step": steps[0]["name"] if steps else "deadline"}
            await tx.update(WORKFLOWS, [Is("id", "=", row["id"]), Is("failed_step", "=", None)], new)


async def _end(tx: ExtensionTransaction, rows: Sequence[Row], status: WorkflowStatus) -> list[WorkflowRecord]:
    ids, new = tuple(row["id"] for row in rows), {"status": status.value, "ended_at": tx.now}
    running = [Is("id", "in", ids), Is("status", "=", "running")]
    if ids and await tx.update(WORKFLOWS, running, new) != len(ids):
        raise Beaten
    return [workflow_record({**row, **new}) for row in rows]


async def _undo(tx: ExtensionTransaction, workflow_id: str) -> WorkflowStatus:
    """Return how a workflow ends that has failed; it runs as long as steps are undone."""
    own = Is("workflow_id", "=", workflow_id)
    undoing = [own, Is("name", ">=", UNDO), Is("name", "<", f"{UNDO[:-1]};")]
    if rows := await tx.select(STEPS, undoing, columns=("status",)):
        whole = all(row["status"] == "success" for row in rows)
        return WorkflowStatus.UNDONE if whole else WorkflowStatus.FAILED
    (row,) = await tx.select(WORKFLOWS, [Is("id", "=", workflow_id)], columns=("definition",))
    graph = read_graph(row["definition"])
    if not any(step.undo for step in graph.steps):
        return WorkflowStatus.FAILED
    done = await tx.select(STEPS, [own, Is("status", "=", "success")], columns=("definition",))
    steps = [read_step(row["definition"]) for row in done]
    chain = undo_chain(graph, [step for step in steps if step.members is None])
    if not chain:
        return WorkflowStatus.FAILED
    waiting = [
        {"workflow_id": workflow_id, "name": step.name, "waits_for": int(n > 0), "definition": step.text}
        for n, step in enumerate(chain)
    ]
    await tx.insert(STEPS, waiting)
    await tx.update(WORKFLOWS, [Is("id", "=", workflow_id)], {"deadline": None})
    return WorkflowStatus.RUNNING


async def go_on(tx: ExtensionTransaction, workflow_id: str) -> bool:
    """Go on with a workflow that has failed, if the jobs of its failed steps have been retried."""
    where = [Is("id", "=", workflow_id), Is("status", "=", "failed")]
    if not await tx.select(WORKFLOWS, where, columns=("id",)):
        return False
    rows = await tx.select(STEPS, [Is("workflow_id", "=", workflow_id)])
    states = {row["name"]: state_of(row) for row in rows}
    failed = {name for name, state in states.items() if state.status is StepStatus.FAILED}
    spread = {name for name in failed if states[name].step.members is not None}
    if failed != spread or any(name.startswith(UNDO) for name in states):
        return False
    skipped = {name for name, state in states.items() if state.status is StepStatus.SKIPPED}
    return await write_again(tx, workflow_id, states, skipped | spread)


async def write_again(
    tx: ExtensionTransaction,
    workflow_id: str,
    states: Mapping[str, StepState],
    first: Collection[str],
    chosen: Collection[str] = (),
) -> bool:
    """Have a workflow that has ended run again, from some of its steps; False: it runs already."""
    new = {"status": "running", "failed_step": None, "ended_at": None, "deadline": None}
    where = [Is("id", "=", workflow_id), Is("status", "!=", "running")]
    (row,) = await tx.select(WORKFLOWS, [Is("id", "=", workflow_id)], columns=("revision",))
    new["revision"] = row["revision"] + 1
    if not await tx.update(WORKFLOWS, where, new):
        return False
    again = begun_again(states, first, chosen)
    for name, state in again.items():
        changed = {"status": "waiting", "waits_for": state.waits_for, "job_id": None, "result": None}
        changed["definition"] = state.step.text
        await tx.update(STEPS, [Is("workflow_id", "=", workflow_id), Is("name", "=", name)], changed)
    anew = {name for name, state in again.items() if state.step.for_each and state.step.members is None}
    gone = {name for name, state in states.items() if state.step.of in anew}
    for names in chunks(gone | {name for name in states if name.startswith(UNDO)}):
        await tx.delete(STEPS, [Is("workflow_id", "=", workflow_id), Is("name", "in", tuple(names))])
    return True
