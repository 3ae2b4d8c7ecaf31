"""Let workflows go on, many in one transaction: write down what has ended, and begin what can begin."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import PayloadInvalid, Sp00kyError, UnknownBackend, UnknownRoute
from sp00ky_core.job.job import Job
from sp00ky_core.ports import ExtensionContext, ExtensionTransaction, Is, KeyedJob, Row
from sp00ky_core.stores.ids import chunks
from sp00ky_core.stores.refused_writes import write_around
from sp00ky_workflows.calls import job_of
from sp00ky_workflows.errors import WorkflowInvalid
from sp00ky_workflows.model.advance import Place, StepState, members, undone_by
from sp00ky_workflows.model.graph import MOST_STEPS, Step, StepStatus
from sp00ky_workflows.model.pointers import INPUT, ITEM, PointerUnmatched, pointed_at, split
from sp00ky_workflows.service.outcomes import Outcome, Outcomes, failure
from sp00ky_workflows.service.pauses import resumed
from sp00ky_workflows.service.steps import Steps
from sp00ky_workflows.tables import PAUSED, PREFIX, READY, SIGNALS, WORKFLOWS, step_key

__all__ = ["Advance"]

MOST_RESULTS = 2**20
"""Bytes that the result of a ``for_each`` may hold."""
AT_ONCE = 500
"""Steps that one transaction begins: the next one begins others."""
GIVE_UP_AFTER = 86_400.0
"""Seconds that a step waits for a backend that no configuration has."""
LONGEST_REASON = 500
"""Characters kept of why a workflow is held up."""
COLUMNS = ("id", "name", "input", "revision", "status", "failed_step", "documents", "held", "held_since")

GONE: Row = dict.fromkeys(COLUMNS) | {"status": "killed", "revision": 1}
"""Stands for a workflow that has been deleted."""

End = tuple[StepState, Outcome]
"""A step that ends, and what becomes of it."""


@attrs.define(eq=False)
class Advance:
    """One transaction in which workflows go on.

    Attributes:
        tx: The transaction.
        context: The extension's.
        apart: Find out which jobs the database refuses: these steps fail, the others begin.
        is_new: A step that can't begin is an error, for somebody is just asking for it.
        ending: Workflows that may have ended.
        left: Workflows with steps that could have begun, and were too many for this transaction.
        steps: Those that are known.
        workflows: What is known of theirs, by id.
    """

    tx: ExtensionTransaction
    context: ExtensionContext
    apart: bool = False
    is_new: bool = False
    ending: set[str] = attrs.field(factory=set)
    left: set[str] = attrs.field(factory=set)
    steps: Steps = attrs.field(init=False)
    workflows: dict[str, Row] = attrs.field(factory=dict)
    _failed: dict[str, str] = attrs.field(factory=dict)
    _halted: set[str] = attrs.field(factory=set)
    _held: dict[str, str] = attrs.field(factory=dict)
    _going: set[str] = attrs.field(factory=set)
    _places: int = AT_ONCE
    _results: dict[str, _Result] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.steps = Steps(self.tx)

    async def settle(self, outcomes: Outcomes) -> int:
        """Write down what became of jobs, and what follows; how many steps have ended. Raises ``Beaten``."""
        if not outcomes:
            return 0
        status = Is("status", "in", ("pending", "failed"))
        states = await self.steps.read(Is("job_id", "in", tuple(outcomes)), status)
        ends = [(state, outcomes[state.job_id or ""]) for state in states]
        ends = [end for end in ends if end[0].status is not end[1][0]]
        await self.go_on(ends)
        return len(ends)

    async def begin(self, workflows: Collection[str]) -> None:
        """Begin some of the steps of workflows that wait for nothing; end pauses. Raises ``Beaten``."""
        mine = Is("workflow_id", "in", tuple(workflows))
        ready = await self.steps.read(mine, *READY, limit=AT_ONCE)
        self.left |= {*workflows} if len(ready) == AT_ONCE else set()
        ends = await resumed(self.tx, await self._pauses(mine))
        await self.go_on(ends, ready)

    async def _pauses(self, mine: Is) -> list[StepState]:
        """Read pauses whose time is over or begins, and all where a signal hasn't been taken."""
        over = await self.steps.read(mine, *PAUSED, Is("due_at", "<=", self.tx.now), limit=AT_ONCE)
        rows = await self.tx.select(SIGNALS, [mine, Is("taken", "=", 0)], columns=("workflow_id",))
        told = tuple({row["workflow_id"] for row in rows})
        more = await self.steps.read(Is("workflow_id", "in", told), *PAUSED) if told else []
        return [*{state.place: state for state in (*over, *more)}.values()]

    async def go_on(self, ends: Sequence[End] = (), ready: Sequence[StepState] = ()) -> None:
        """End some steps, begin others that wait for nothing, and so on until only jobs are waited for."""
        await self._know([*(state.workflow_id for state, _ in ends), *(state.workflow_id for state in ready)])
        while ends or ready:
            ready = [*ready, *await self._ended(ends)]
            ends, ready = await self._begun([state for state in ready if self._may_begin(state)])
        await self.steps.write()
        for workflow_id, name in self._failed.items():
            unsaid = [Is("id", "=", workflow_id), Is("failed_step", "=", None)]
            await self.tx.update(WORKFLOWS, unsaid, {"failed_step": name})
        await self.steps.skip(self._halted)
        await self._say_held()

    async def _say_held(self) -> None:
        """Say of workflows that nothing can begin in them, and why; or that they go on again."""
        for workflow_id, why in self._held.items():
            new: Row = {"held": why[:LONGEST_REASON]}
            if self.workflows[workflow_id]["held_since"] is None:
                new["held_since"] = self.tx.now
            if self.workflows[workflow_id]["held"] != new["held"]:
                await self.tx.update(WORKFLOWS, [Is("id", "=", workflow_id)], new)
        again = [one for one in self._going - self._held.keys() if self.workflows[one].get("held_since")]
        for some in chunks(again):
            free = {"held": None, "held_since": None}
            await self.tx.update(WORKFLOWS, [Is("id", "in", tuple(some))], free)

    async def _know(self, ids: Iterable[str]) -> None:
        for some in chunks(one for one in ids if one not in self.workflows):
            rows = await self.tx.select(WORKFLOWS, [Is("id", "in", tuple(some))], columns=COLUMNS)
            self.workflows |= dict.fromkeys(some, GONE) | {row["id"]: row for row in rows}

    def _may_begin(self, state: StepState) -> bool:
        running = self.workflows[state.workflow_id]["status"] == "running"
        return running and state.workflow_id not in self._halted and state.status is StepStatus.WAITING

    async def _ended(self, ends: Sequence[End]) -> list[StepState]:
        """End steps, and return those that wait for nothing any more."""
        for state, outcome in ends:
            self._end(state, *outcome)
        await self.steps.at(
            (state.workflow_id, name) for state, _ in ends for name in _neighbours(state.step)
        )
        return [ready for state, _ in ends for ready in await self._follow(state)]

    def _end(self, state: StepState, status: StepStatus, result: str | None) -> None:
        was, is_running = state.status, self.workflows[state.workflow_id]["status"] == "running"
        if status is StepStatus.FAILED and was is not StepStatus.FAILED and not is_running:
            status = StepStatus.KILLED
        state.status, state.result = status, result
        if not state.step.then or was is StepStatus.FAILED or status is not StepStatus.SUCCESS:
            self.ending.add(state.workflow_id)

    async def _follow(self, state: StepState) -> list[StepState]:
        """Do what follows from the end of a step; return those that wait for nothing any more."""
        workflow_id, done, undone = (
            state.workflow_id,
            state.status is StepStatus.SUCCESS,
            undone_by(state.step.name),
        )
        if undone:
            for other in self.steps.known([(workflow_id, undone)] if done else []):
                other.status = StepStatus.UNDONE
        elif state.status is StepStatus.FAILED:
            await self._fail(state)
        behind = state.step.then if done or undone else ()
        waiting = [
            other
            for other in self.steps.known((workflow_id, name) for name in behind)
            if other.status is StepStatus.WAITING
        ]
        for other in waiting:
            other.waits_for -= 1
        return [other for other in waiting if not other.waits_for]

    async def _fail(self, state: StepState) -> None:
        """Say of a workflow which step has failed, and skip what doesn't begin any more."""
        workflow_id, step = state.place[0], state.step
        self._failed.setdefault(workflow_id, step.name)
        for whole in self.steps.known([(workflow_id, step.of)] if step.of else []):
            if whole.status is StepStatus.WAITING:
                whole.status, whole.result = failure("item_failed", f"{step.name} has failed")
        if step.halt:
            self._halted.add(workflow_id)
            return
        seen, front = set[str](), {*step.then}
        while front:
            reached = await self.steps.at((workflow_id, name) for name in front)
            for other in reached:
                if other.status is StepStatus.WAITING:
                    other.status = StepStatus.SKIPPED
            seen |= front
            front = {name for other in reached for name in other.step.then} - seen

    async def _begun(self, ready: Sequence[StepState]) -> tuple[list[End], list[StepState]]:
        """Make the jobs of steps; return those that end without one, and the steps of a ``for_each``."""
        ready, later = ready[: self._places], ready[self._places :]
        self._places -= len(ready)
        self.left |= {state.workflow_id for state in later}
        await self.steps.at((state.workflow_id, name) for state in ready for name in state.needed)
        ends, more, jobs = list[End](), list[StepState](), dict[Place, KeyedJob]()
        for state in ready:
            texts = {
                other.step.name: self._result(other.result)
                for other in self.steps.known((state.workflow_id, name) for name in state.needed)
            }
            if state.step.members is not None:
                ends.append((state, _collected([*texts.values()])))
                continue
            try:
                if state.step.for_each is None:
                    jobs[state.place] = self._job(state, texts)
                    continue
                spread = self._spread(state, _items(state.step, self._values(state, texts)))
            except (PointerUnmatched, Sp00kyError) as error:
                if not self.is_new and self._is_held(state, error):
                    continue
                if self.is_new:
                    raise WorkflowInvalid(
                        workflow=self.workflows[state.workflow_id]["name"],
                        step=state.step.name,
                        problem=str(error),
                    ) from error
                ends.append((state, failure(_code(error), str(error))))
                continue
            more += spread
            ends += [] if spread else [(state, (StepStatus.SUCCESS, "[]"))]
        self._going |= {workflow_id for workflow_id, _ in jobs}
        states = {state.place: state for state in ready}
        refused = await self._enqueue(jobs, states)
        return [*ends, *((states[place], failure(_code(e), str(e))) for place, e in refused.items())], more

    def _values(self, state: StepState, texts: Mapping[str, _Result]) -> dict[str, Any]:
        given = self._result(self.workflows[state.workflow_id]["input"])
        return {name: text.value for name, text in texts.items()} | {INPUT: given.value}

    def _result(self, text: str | None) -> _Result:
        return self._results.setdefault(text or "null", _Result(text or "null"))

    def _job(self, state: StepState, texts: Mapping[str, _Result]) -> KeyedJob:
        values = self._values(state, texts) | ({ITEM: state.step.item} if state.step.of else {})
        job = job_of(state.step, values, self.context)
        key = step_key(*state.place, self.workflows[state.workflow_id]["revision"])
        return KeyedJob(job=job, key=key, prefix=PREFIX, checked=True)

    def _is_held(self, state: StepState, error: Exception) -> bool:
        """Tell whether a step waits for a runner that knows it, as its job would; note why.

        It does where this process doesn't have its operation, or has another document than that which the
        workflow was made by. After ``giveUpAfter`` it fails.
        """
        row, backend = self.workflows[state.workflow_id], self.context.backends.get(state.step.backend)
        unknown = isinstance(error, UnknownBackend | UnknownRoute)
        if not unknown and not (isinstance(error, PayloadInvalid) and self._has_changed(state)):
            return False
        limit = GIVE_UP_AFTER if backend is None else backend.config.retry.give_up_after
        since = row["held_since"]
        if since is not None and (self.tx.now - since).total_seconds() > limit:
            return False
        self._held[state.workflow_id] = f"step {state.step.name}: {error}"
        return True

    def _has_changed(self, state: StepState) -> bool:
        """Tell whether a step's backend has another document than that which its workflow was made by."""
        documents = decode(self.workflows[state.workflow_id]["documents"] or "{}")
        document: str = self.context.backends[state.step.backend].document
        return bool(documents.get(state.step.backend) != document)

    def _spread(self, state: StepState, items: Sequence[Any]) -> list[StepState]:
        """Add a step for each item; of none the result is there."""
        added = [StepState(workflow_id=state.workflow_id, step=step) for step in members(state.step, items)]
        self.steps.add(added)
        if items:
            state.step, state.waits_for = attrs.evolve(state.step, members=len(items)), len(items)
        return added

    async def _enqueue(
        self, jobs: Mapping[Place, KeyedJob], states: Mapping[Place, StepState]
    ) -> Mapping[Place, Sp00kyError]:
        async def write(places: Sequence[Place]) -> Sequence[tuple[Place, Job]]:
            async with self.tx.savepoint():
                made = await self.tx.enqueue([jobs[place] for place in places])
            return [*zip(places, made, strict=True)]

        refused: Mapping[Place, Sp00kyError] = {}
        if self.apart and jobs:
            made, refused = await write_around([*jobs], write)
        else:
            made = [*zip(jobs, await self.tx.enqueue([*jobs.values()]), strict=True)]
        for place, job in made:
            states[place].status, states[place].job_id = StepStatus.PENDING, job.id
        return refused


class _Result:
    """What came of a step: JSON text, parsed once for all that need it."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def value(self) -> Any:
        return decode(self.text)


def _neighbours(step: Step) -> Iterable[str]:
    undone = undone_by(step.name)
    return (*step.then, *([undone] if undone else []))


def _code(error: Exception) -> str:
    return "pointer_unmatched" if isinstance(error, PointerUnmatched) else type(error).__name__


def _collected(results: Collection[_Result]) -> Outcome:
    size = sum(len(one.text) + 1 for one in results)
    if size > MOST_RESULTS:
        text = f'{{"truncated":true,"count":{len(results)},"bytes":{size},"limit":{MOST_RESULTS}}}'
        return StepStatus.SUCCESS, text
    return StepStatus.SUCCESS, f"[{','.join(one.text for one in results)}]"


def _items(step: Step, values: Mapping[str, Any]) -> list[Any]:
    text = step.for_each or ""
    source, pointer = split(text)
    items = pointed_at(values[source or step.after[0]], pointer, text)
    if not isinstance(items, list):
        raise PointerUnmatched(f"{text!r} is no list, so there is nothing to do for each of it")
    if len(items) > MOST_STEPS:
        raise PointerUnmatched(f"{text!r} has {len(items):,} items; at most {MOST_STEPS:,} can be")
    return items
