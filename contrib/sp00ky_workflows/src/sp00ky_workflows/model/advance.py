"""Decide what follows from steps that have ended: what waits for less, what is made, undone, begun again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

import attrs

from sp00ky_workflows.model.graph import Call, Graph, Step, StepStatus, read_step
from sp00ky_workflows.model.pauses import NOT_BEGUN, is_pause

__all__ = ["UNDO", "Place", "StepState", "begun_again", "members", "members_of", "undo_chain", "undone_by"]

Place = tuple[str, str]
"""A workflow's id and a step's name."""

UNDO = "undo:"
"""What the names of steps begin with that undo others."""
UNDO_OPTIONS: Mapping[str, Any] = {"max_retries": 100, "retry_strategy": "exponential"}
"""Of the jobs of ``undo``, where it says nothing else: they are tried until they succeed."""
AGAIN = frozenset({StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.KILLED, StepStatus.UNDONE})
"""Statuses of steps that a retry of the workflow begins again."""


@attrs.define(kw_only=True)
class StepState:
    """A step as its row has it, or is to have it.

    Attributes:
        workflow_id: Its workflow's.
        step: What it is.
        status: Its status.
        waits_for: How many of the steps that it needs haven't succeeded.
        job_id: Of its job; None: there is none yet.
        result: JSON text of what came of it.
        due_at: When a pause is to be looked at: to begin its time, or to end it. None: it is none.
    """

    workflow_id: str = ""
    step: Step
    status: StepStatus = StepStatus.WAITING
    waits_for: int = 0
    job_id: str | None = None
    result: str | None = None
    due_at: datetime | None = attrs.field()

    @due_at.default
    def _not_begun(self) -> datetime | None:
        return NOT_BEGUN if is_pause(self.step) else None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Read a row."""
        same = {name: row[name] for name in ("workflow_id", "waits_for", "job_id", "result", "due_at")}
        return cls(**same, step=read_step(row["definition"]), status=StepStatus(row["status"]))

    @property
    def place(self) -> Place:
        """Which step of which workflow it is."""
        return self.workflow_id, self.step.name

    @property
    def needed(self) -> Sequence[str]:
        """The steps whose results it needs now."""
        return self.step.after if self.step.members is None else members_of(self.step)

    def row(self) -> dict[str, Any]:
        """Write its row."""
        values = attrs.asdict(self, recurse=False)
        step = values.pop("step")
        return {**values, "name": step.name, "status": self.status.value, "definition": step.text}


def members(step: Step, items: Sequence[Any]) -> list[Step]:
    """Return the steps that a step with ``for_each`` is made of."""
    one = attrs.evolve(step, for_each=None, then=(step.name,), of=step.name)
    return [attrs.evolve(one, name=f"{step.name}[{n}]", item=item) for n, item in enumerate(items)]


def undone_by(name: str) -> str | None:
    """Return which step a step undoes; None: none."""
    return name.removeprefix(UNDO) if name.startswith(UNDO) else None


def undo_chain(graph: Graph, succeeded: Iterable[Step]) -> list[Step]:
    """Return steps that undo those that have succeeded, in the reverse of the graph's order."""
    place = {step.name: n for n, step in enumerate(graph.steps)}

    def behind(step: Step) -> tuple[int, int]:
        number = step.name[len(step.of) + 1 : -1] if step.of else "0"
        return place[step.of or step.name], int(number)

    chain = list[Step]()
    for step in sorted((step for step in succeeded if step.undo), key=behind):
        call = step.undo or Call(backend="", path="")
        chain.append(
            Step(
                **attrs.asdict(call, recurse=False) | {"options": {**UNDO_OPTIONS, **call.options}},
                name=f"{UNDO}{step.name}",
                after=(*step.after, step.name),
                then=(chain[-1].name,) if chain else (),
                item=step.item,
                of=step.of,
            )
        )
    return [*reversed(chain)]


def begun_again(
    states: Mapping[str, StepState], first: Collection[str], chosen: Collection[str] = ()
) -> dict[str, StepState]:
    """Return the steps that change where a workflow goes on, by name.

    Args:
        states: All its steps.
        first: Those that are done again, and with each all that depends on it.
        chosen: Those of them whose ``for_each`` is read again, too.
    """
    again = {*first}
    reached = [*again]
    while reached:
        new = {name for name in states[reached.pop()].step.then if name in states} - again
        again |= new
        reached += new
    anew = {name for name in again if name in chosen or not again.isdisjoint(states[name].step.after)}
    changed = dict[str, StepState]()
    for name in again:
        step = states[name].step
        if step.of in anew:
            continue  # its step makes others
        if name in anew and step.members is not None:
            step = attrs.evolve(step, members=None)
        state = attrs.evolve(states[name], step=step, status=StepStatus.WAITING, job_id=None, result=None)
        needed = () if step.of else state.needed
        state.due_at = NOT_BEGUN if is_pause(step) else None
        state.waits_for = sum(other in again or not _is_done(states, other) for other in needed)
        state.waits_for += is_pause(step)
        changed[name] = state
    return changed


def members_of(step: Step) -> list[str]:
    """Return the names of the steps that a step with ``for_each`` was made into."""
    return [f"{step.name}[{n}]" for n in range(step.members or 0)]


def _is_done(states: Mapping[str, StepState], name: str) -> bool:
    return name in states and states[name].status is StepStatus.SUCCESS
