"""Kill a workflow, or have it go on where it failed."""

from __future__ import annotations

from functools import partial

from sp00ky_core.ports import ExtensionContext, ExtensionTransaction, Is
from sp00ky_core.stores.ids import chunks
from sp00ky_workflows.api.records import found
from sp00ky_workflows.errors import UnknownWorkflow, WorkflowStopped
from sp00ky_workflows.model.advance import AGAIN, undone_by
from sp00ky_workflows.service.advance import Advance
from sp00ky_workflows.service.finish import begin_again
from sp00ky_workflows.service.outcomes import outcomes_of
from sp00ky_workflows.service.transactions import advanced
from sp00ky_workflows.tables import STEPS, WORKFLOWS

__all__ = ["kill", "retry"]


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


async def retry(context: ExtensionContext, workflow_id: str, from_step: str | None) -> None:
    """Have a workflow go on. Raises ``UnknownWorkflow``, ``WorkflowStopped``."""

    async def work(advance: Advance) -> None:
        status = (await found(advance.tx, workflow_id))["status"]
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
        await begin_again(advance, workflow_id, first, chosen)

    await advanced(context, work)
