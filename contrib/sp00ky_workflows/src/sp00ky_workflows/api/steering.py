"""Kill a workflow, or have it go on where it failed, or many at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from functools import partial

import attrs

from sp00ky_core.encoding.json_bytes import Payload, json_value
from sp00ky_core.ports import Either, ExtensionContext, ExtensionTransaction, Is, Row, Where
from sp00ky_core.stores.ids import chunks
from sp00ky_workflows.api.records import found
from sp00ky_workflows.errors import UnknownWorkflow, WorkflowInvalid, WorkflowStopped
from sp00ky_workflows.model.advance import AGAIN, StepState, undone_by
from sp00ky_workflows.model.graph import read_graph
from sp00ky_workflows.model.pointers import INPUT, ITEM, sources
from sp00ky_workflows.service.advance import Advance
from sp00ky_workflows.service.finish import begin_again
from sp00ky_workflows.service.outcomes import outcomes_of
from sp00ky_workflows.service.transactions import advanced
from sp00ky_workflows.tables import STEPS, WORKFLOWS

__all__ = ["RetryResult", "before", "kill", "matching", "retry", "retry_many"]

PAGE = 200
"""Workflows that one search reads."""


@attrs.frozen(kw_only=True)
class RetryResult:
    """Report how far a retry of many workflows has come.

    Attributes:
        matched: Workflows that met the conditions when it began.
        done: Those that go on.
        refused: Those that don't: they run again already, or the payload doesn't fit.
        problem: The first refusal, in words.
    """

    matched: int
    done: int = 0
    refused: int = 0
    problem: str | None = None


async def kill(context: ExtensionContext, workflow_id: str, reason: str) -> None:
    """Kill a workflow and its jobs. Raises ``UnknownWorkflow``, ``WorkflowStopped``."""

    async def work(tx: ExtensionTransaction) -> list[str]:
        status = (await found(tx, workflow_id))["status"]
        running = [Is("id", "=", workflow_id), Is("status", "=", "running")]
        if not await tx.update(WORKFLOWS, running, {"status": "killed", "ended_at": tx.now}):
            raise WorkflowStopped(f"workflow {workflow_id} is {status}, so there is nothing to kill")
        steps = [Is("workflow_id", "=", workflow_id)]
        await tx.update(STEPS, [*steps, Is("status", "=", "waiting")], {"status": "killed"})
        rows = await tx.select(STEPS, [*steps, Is("status", "=", "pending")], columns=("job_id",))
        return [row["job_id"] for row in rows if row["job_id"]]

    for ids in chunks(await context.transact(work)):
        await context.jobs.kill(ids, reason=reason)
        outcomes = await outcomes_of(context, dict.fromkeys(ids))
        await advanced(context, partial(Advance.settle, outcomes=outcomes))


async def retry(
    context: ExtensionContext, workflow_id: str, from_step: str | None, payload: Payload | None = None
) -> None:
    """Have a workflow go on. Raises ``UnknownWorkflow``, ``WorkflowStopped``, ``WorkflowInvalid``."""

    async def work(advance: Advance) -> None:
        row = await found(advance.tx, workflow_id, columns=None)
        status = row["status"]
        read = await advance.steps.read(Is("workflow_id", "=", workflow_id))
        states = {state.step.name: state for state in read}
        own = {name for name in states if undone_by(name) is None}
        if from_step is not None and from_step not in own:
            known = ", ".join(sorted(own)[:10])
            raise UnknownWorkflow(f"workflow {workflow_id} has no step {from_step!r:.80}; it has {known}")
        pending = any(states[name].status == "pending" for name in own)
        if status == "running" or pending:
            said = "it still runs" if status == "running" else "its jobs are still ending"
            raise WorkflowStopped(f"workflow {workflow_id}: {said}; kill it first, or wait")
        chosen = {from_step} if from_step else set[str]()
        first = {name for name in own if states[name].status in AGAIN} | chosen
        if not first:
            problem = "every step has succeeded; name the one to begin again at, or rerun the workflow"
            raise WorkflowStopped(f"workflow {workflow_id}: {problem}")
        if payload is not None:
            await _correct(advance, row, [*states.values()], from_step or row["failed_step"], payload)
        await begin_again(advance, workflow_id, first, chosen)

    await advanced(context, work)


async def _correct(
    advance: Advance, row: Row, states: Sequence[StepState], name: str | None, payload: Payload
) -> None:
    """Give a step, and each of its items, another payload, which has to fit. Raises ``WorkflowInvalid``."""
    whole = next((state.step.of or name for state in states if state.step.name == name), None)
    graph = read_graph(row["definition"])
    old = next((step for step in graph.steps if step.name == whole), None)
    if old is None:
        raise WorkflowInvalid(workflow=row["name"], step=name or "", problem="no step of it has failed")
    new = attrs.evolve(old, payload=json_value(payload))
    known = {INPUT, *old.after, *([ITEM] if old.for_each else [])}
    if unknown := ", ".join(sorted({*sources(new.payload)} - known)):
        problem = f"its new payload refers to {unknown}; it may refer to {', '.join(sorted(known))}"
        raise WorkflowInvalid(workflow=row["name"], step=old.name, problem=problem)
    for state in states:
        if whole in (state.step.name, state.step.of) and undone_by(state.step.name) is None:
            state.step = attrs.evolve(state.step, payload=new.payload)
    graph = attrs.evolve(graph, steps=[new if step is old else step for step in graph.steps])
    await advance.tx.update(WORKFLOWS, [Is("id", "=", row["id"])], {"definition": graph.text})
    advance.is_new = True  # a step that can't begin with it is an error


async def matching(
    context: ExtensionContext, status: str, failed_step: str | None, name: str | None
) -> list[str]:
    """Return the ids of workflows that have ended so, newest first."""
    same = {"status": status, "name": name}
    where: list[Where] = [Is(column, "=", value) for column, value in same.items() if value]
    ids, reached = list[str](), list[Where]()

    async def work(tx: ExtensionTransaction) -> list[Row]:
        columns = ("id", "created_at", "failed_step")
        order = ("-created_at", "-id")
        return await tx.select(WORKFLOWS, [*where, *reached], order=order, limit=PAGE, columns=columns)

    while rows := await context.read(work):
        ids += [row["id"] for row in rows if failed_step in (None, _whole(row["failed_step"], failed_step))]
        reached = before(rows[-1])
    return ids


def _whole(failed: str | None, wanted: str | None) -> str | None:
    """Return the step whose item has failed, where that step is wanted."""
    is_item = failed is not None and failed.endswith("]") and failed.rpartition("[")[0] == wanted
    return wanted if is_item else failed


def before(row: Row) -> list[Where]:
    """Return what workflows meet that a list has after one."""
    made = row["created_at"]
    older = Either((Is("created_at", "<", made), Is("id", "<", row["id"])))
    return [Is("created_at", "<=", made), older]


async def retry_many(
    context: ExtensionContext, ids: Sequence[str], payload: Payload | None
) -> AsyncGenerator[RetryResult]:
    """Have workflows go on, each in a transaction of its own; say after each how far it has come."""
    result = RetryResult(matched=len(ids))
    yield result
    for workflow_id in ids:
        try:
            await retry(context, workflow_id, None, payload)
            result = attrs.evolve(result, done=result.done + 1)
        except (UnknownWorkflow, WorkflowInvalid, WorkflowStopped) as error:
            problem = result.problem or str(error)
            result = attrs.evolve(result, refused=result.refused + 1, problem=problem)
        yield result
