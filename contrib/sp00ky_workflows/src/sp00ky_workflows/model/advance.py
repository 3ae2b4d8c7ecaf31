"""Decide what follows from steps that have ended: what waits for less, what is made, undone, begun again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import attrs

from sp00ky_workflows.model.graph import Call, Graph, Step, StepStatus

__all__ = ["UNDO", "StepState", "begun_again", "fewer", "members", "members_of", "undo_chain", "undone_by"]

UNDO = "undo:"
"""What the names of steps begin with that undo others."""
UNDO_OPTIONS: Mapping[str, Any] = {"max_retries": 100, "retry_strategy": "exponential"}
"""Of the jobs of ``undo``, where it says nothing else: they are tried until they succeed."""
AGAIN = frozenset({StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.KILLED, StepStatus.UNDONE})
"""Statuses of steps that a retry of the workflow begins again."""


@attrs.frozen(kw_only=True)
class StepState:
    """What a row says of a step.

    Attributes:
        step: What it is.
        status: Its status.
        waits_for: How many of the steps that it needs haven't succeeded.
        job_id: Of its job; None: there is none yet.
        result: JSON text of what came of it.
    """

    step: Step
    status: StepStatus
    waits_for: int = 0
    job_id: str | None = None
    result: str | None = None


def fewer(ended: Iterable[tuple[str, Step]]) -> Counter[tuple[str, str]]:
    """Count for each step, by workflow and name, how many of those that it needs have just succeeded."""
    return Counter((workflow, name) for workflow, step in ended for name in step.then)


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
        needed: Sequence[str] = () if step.of else step.after
        if step.members is not None:
            needed = members_of(step)
        waits_for = sum(other in again or not _is_done(states, other) for other in needed)
        changed[name] = StepState(step=step, status=StepStatus.WAITING, waits_for=waits_for)
    return changed


def members_of(step: Step) -> list[str]:
    """Return the names of the steps that a step with ``for_each`` was made into."""
    return [f"{step.name}[{n}]" for n in range(step.members or 0)]


def _is_done(states: Mapping[str, StepState], name: str) -> bool:
    return name in states and states[name].status is StepStatus.SUCCESS
