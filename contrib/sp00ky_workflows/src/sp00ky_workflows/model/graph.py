"""Describe the steps of a workflow, and refuse what can be none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import Any

import attrs

from sp00ky_core.encoding.json_bytes import decode, encode
from sp00ky_core.error_texts import nearest, shown
from sp00ky_workflows.errors import WorkflowInvalid
from sp00ky_workflows.model.pointers import INPUT, ITEM, sources, split

__all__ = ["MOST_STEPS", "Call", "Graph", "OnFailure", "Step", "StepStatus", "WorkflowStatus"]
__all__ += ["checked", "read_graph", "read_step"]

MOST_STEPS = 10_000
"""Of one workflow, and of one ``for_each``."""
LONGEST_KNOWN = 5_000
"""Characters of a definition that is kept once it is read."""
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_NAMED = "a step's name has letters, digits, and _ . -, at most 100 of them"


class WorkflowStatus(StrEnum):
    """The statuses of a workflow."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    KILLED = "killed"
    UNDONE = "undone"


class StepStatus(StrEnum):
    """The statuses of a step."""

    WAITING = "waiting"
    PENDING = "pending"  # its job is there
    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    KILLED = "killed"
    UNDONE = "undone"


class OnFailure(StrEnum):
    """What a failed step means for those that don't depend on it."""

    HALT = "halt"
    CONTINUE = "continue-independent"


@attrs.frozen(kw_only=True)
class Call:
    """One call of a backend, as JSON has it.

    Attributes:
        backend: The backend's name.
        path: The operation.
        payload: It may hold references to results.
        options: Of its job, by their names; times are text, lengths of time are seconds.
    """

    backend: str
    path: str
    payload: Mapping[str, Any] = attrs.field(factory=dict)
    options: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Step(Call):
    """One step, as its row keeps it.

    Attributes:
        name: Unique in its workflow.
        after: The steps whose results it needs.
        then: The steps that need its result.
        for_each: A reference to a list: it is done for each item.
        undo: What undoes it, once it has succeeded and the workflow has failed.
        halt: The workflow's ``onFailure`` is that.
        of: The step with ``for_each`` that it belongs to.
        item: Its item there.
        members: How many steps were made of its ``for_each``; None: none yet.
    """

    name: str
    after: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    for_each: str | None = None
    undo: Call | None = None
    halt: bool = True
    of: str | None = None
    item: Any = None
    members: int | None = None

    def json(self) -> dict[str, Any]:
        """Return what says all of it."""
        values = {name: value for name, value in attrs.asdict(self).items() if value not in (None, (), {})}
        return values | {"item": self.item} if self.of else values

    @property
    def text(self) -> str:
        """It as JSON text."""
        return encode(self.json()).decode()


def step_of(values: Mapping[str, Any]) -> Step:
    """Read a step again."""
    given: dict[str, Any] = {
        name: tuple(value) if name in ("after", "then") else value for name, value in values.items()
    }
    if "undo" in given:
        given["undo"] = Call(**given["undo"])
    return Step(**given)


def read_step(text: str) -> Step:
    """Read a step from its row; many workflows have the same."""
    return _known_step(text) if len(text) < LONGEST_KNOWN else step_of(decode(text))


@lru_cache(maxsize=2_000)
def _known_step(text: str) -> Step:
    return step_of(decode(text))


@attrs.frozen(kw_only=True)
class Graph:
    """The steps of one workflow: each stands behind those that it depends on.

    Attributes:
        on_failure: What a failed step means for the others.
        steps: At least one.
    """

    on_failure: OnFailure = OnFailure.HALT
    steps: Sequence[Step]

    @property
    def text(self) -> str:
        """It as JSON text, as the workflow's row keeps it."""
        steps = [step.json() for step in self.steps]
        return encode({"onFailure": self.on_failure, "steps": steps}).decode()


def read_graph(text: str) -> Graph:
    """Read a graph from its workflow's row."""
    read = decode(text)
    return Graph(on_failure=OnFailure(read["onFailure"]), steps=[step_of(step) for step in read["steps"]])


def checked(workflow: str, given: Sequence[Step], on_failure: OnFailure = OnFailure.HALT) -> Graph:
    """Return the graph that some steps make. Raises ``WorkflowInvalid``, with the step's name."""
    if not 0 < len(given) <= MOST_STEPS:
        problem = f"it has {len(given):,} steps; 1 to {MOST_STEPS:,} can be"
        raise WorkflowInvalid(
            workflow=workflow, step=given[MOST_STEPS].name if given else "", problem=problem
        )
    steps = dict[str, Step]()
    for step in given:
        if problem := _name_problem(step.name, steps):
            raise WorkflowInvalid(workflow=workflow, step=step.name, problem=problem)
        steps[step.name] = step
    needs = {name: tuple(_needs(workflow, step, steps)) for name, step in steps.items()}
    try:
        order = [*TopologicalSorter(needs).static_order()]
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        problem = f"it waits for itself: {circle}; remove one of these from `after`"
        raise WorkflowInvalid(workflow=workflow, step=error.args[1][0], problem=problem) from None
    then: dict[str, list[str]] = {name: [] for name in steps}
    for name, needed in needs.items():
        for other in needed:
            then[other].append(name)
    if not any(step.backend for step in given):
        problem = "no step of it has a job; give it at least one that calls a backend"
        raise WorkflowInvalid(workflow=workflow, step="", problem=problem)
    halt = on_failure is OnFailure.HALT
    whole = (
        attrs.evolve(steps[name], after=needs[name], then=tuple(then[name]), halt=halt) for name in order
    )
    return Graph(on_failure=on_failure, steps=[*whole])


def _name_problem(name: object, taken: Iterable[str]) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"{shown(name)} is no name: {_NAMED}"
    if name == INPUT:
        return f"{INPUT!r} is the workflow's input; choose another name"
    return "there are two steps of this name; choose another for one of them" if name in taken else ""


def _needs(workflow: str, step: Step, steps: Mapping[str, Step]) -> Iterator[str]:
    """Yield what a step depends on, by ``after`` and by its references, each once."""
    for name in dict.fromkeys(_named(workflow, step)):
        if name in {INPUT, ITEM}:
            continue
        if name not in steps:
            problem = f"it needs the step {shown(name)}, and there is none; {nearest(name, steps)}"
            raise WorkflowInvalid(workflow=workflow, step=step.name, problem=problem)
        yield name


def _named(workflow: str, step: Step) -> Iterator[str]:
    yield from step.after
    of_each = [] if step.for_each is None else [split(step.for_each)[0]]
    if ITEM in of_each:
        if len(step.after) != 1:
            problem = "`for_each` is a pointer into the result of the one step in `after`; write a reference"
            raise WorkflowInvalid(workflow=workflow, step=step.name, problem=problem)
        of_each = []
    yield from of_each
    used = [*sources(step.payload)]
    undoing = [] if step.undo is None else [*sources(step.undo.payload)]
    if ITEM in used and step.for_each is None:
        problem = "its payload has a reference to an item, and it has no `for_each`"
        raise WorkflowInvalid(workflow=workflow, step=step.name, problem=problem)
    yield from used
    yield from (name for name in undoing if name != step.name)
