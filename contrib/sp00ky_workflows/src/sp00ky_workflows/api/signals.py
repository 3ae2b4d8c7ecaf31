"""Give workflows the signals that their steps wait for."""

from __future__ import annotations

from sp00ky_core.error_texts import nearest
from sp00ky_core.ports import ExtensionContext, ExtensionTransaction, Is, Row
from sp00ky_workflows.api.records import found
from sp00ky_workflows.errors import UnknownWorkflow, WorkflowStopped
from sp00ky_workflows.model.graph import read_step
from sp00ky_workflows.model.pauses import signal_of
from sp00ky_workflows.service.advance import Advance
from sp00ky_workflows.service.transactions import advanced
from sp00ky_workflows.tables import SIGNALS, STEPS

__all__ = ["check_signal", "give"]


async def give(context: ExtensionContext, row: Row) -> None:
    """Write a signal down, and let what waits for it go on. Raises as ``check_signal``."""

    async def work(advance: Advance) -> None:
        await check_signal(advance.tx, row)
        if await advance.tx.insert_once(SIGNALS, row):
            await advance.begin({row["workflow_id"]})

    await advanced(context, work)


async def check_signal(tx: ExtensionTransaction, row: Row) -> None:
    """Refuse a signal that no step waits for. Raises ``UnknownWorkflow``, ``WorkflowStopped``."""
    workflow_id, signal = row["workflow_id"], row["name"]
    status = (await found(tx, workflow_id))["status"]
    if status != "running":
        raise WorkflowStopped(f"workflow {workflow_id} is {status}, so no signal reaches it")
    paused = [Is("workflow_id", "=", workflow_id), Is("due_at", "!=", None)]
    rows = await tx.select(STEPS, paused, columns=("definition",))
    known = {name for one in rows if (name := signal_of(read_step(one["definition"])))}
    if signal not in known:
        problem = f"workflow {workflow_id} waits for no signal {signal!r:.80}; {nearest(signal, known)}"
        raise UnknownWorkflow(problem)
