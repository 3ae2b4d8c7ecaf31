"""Add steps to a workflow that runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import attrs

from sp00ky_core.ports import ExtensionContext, Is
from sp00ky_workflows.api.draft import Draft
from sp00ky_workflows.api.records import found
from sp00ky_workflows.calls import problem_of
from sp00ky_workflows.errors import WorkflowInvalid, WorkflowStopped
from sp00ky_workflows.model.advance import StepState
from sp00ky_workflows.model.graph import Step, StepStatus, checked, read_graph
from sp00ky_workflows.model.pauses import is_pause
from sp00ky_workflows.service.advance import Advance
from sp00ky_workflows.service.steps import Beaten
from sp00ky_workflows.service.transactions import advanced
from sp00ky_workflows.tables import WORKFLOWS

__all__ = ["MoreSteps"]

GOES_ON = frozenset({StepStatus.WAITING, StepStatus.PENDING, StepStatus.SUCCESS})
"""Statuses of steps that others may still wait for."""


class MoreSteps(Draft):
    """Steps for a workflow that runs; they are added where the block ends, unless that raises.

    Attributes:
        id: The workflow's id.
    """

    def __init__(self, context: ExtensionContext, workflow_id: str) -> None:
        super().__init__(workflow_id)
        self.id: str = workflow_id
        self._context = context

    async def write(self) -> None:
        """Add the steps. Raises as ``Workflows.add``."""
        await advanced(self._context, self._add)

    async def _add(self, advance: Advance) -> None:
        row = await found(advance.tx, self.id, columns=None)
        old = read_graph(row["definition"])
        graph = checked(row["name"], [*old.steps, *self._steps], old.on_failure)
        if row["status"] != "running":
            raise WorkflowStopped(f"workflow {self.id} is {row['status']}, so no step can be added")
        names = {step.name for step in self._steps}
        new = [step for step in graph.steps if step.name in names]
        needed = await advance.steps.at((self.id, name) for step in new for name in step.after)
        states = {state.step.name: state for state in needed}
        for step in new:
            if problem := problem_of(step, self._context.backends) or _refusal(step, states):
                raise WorkflowInvalid(workflow=row["name"], step=step.name, problem=problem)
        behind = {step.name: step.then for step in graph.steps}
        for name, state in states.items():
            state.step = attrs.evolve(state.step, then=behind[name])
            # so that whoever has read the row before, and ends it, reads it again
            state.waits_for -= state.status is StepStatus.PENDING
            if state.due_at and state.status is StepStatus.WAITING:
                state.due_at -= timedelta(microseconds=1)
        done = {name for name, state in states.items() if state.status is StepStatus.SUCCESS}
        added = [
            StepState(workflow_id=self.id, step=step, waits_for=len({*step.after} - done) + is_pause(step))
            for step in new
        ]
        advance.steps.add(added)
        as_read = [Is(name, "=", row[name]) for name in ("id", "status", "revision")]
        values = {"definition": graph.text, "revision": row["revision"] + 1}
        if not await advance.tx.update(WORKFLOWS, as_read, values):
            raise Beaten
        await advance.go_on(ready=[state for state in added if not state.waits_for])


def _refusal(step: Step, states: Mapping[str, StepState]) -> str:
    """Say why a step can't wait for others that are there; empty: it can."""
    for state in (states[name] for name in step.after if name in states):
        if state.status not in GOES_ON:
            return f"it would wait for {state.step.name!r}, which is {state.status}"
        if state.status is StepStatus.WAITING and state.step.for_each and state.step.members is None:
            return f"it would wait for {state.step.name!r}, whose `for_each` hasn't begun; add it later"
    return ""
