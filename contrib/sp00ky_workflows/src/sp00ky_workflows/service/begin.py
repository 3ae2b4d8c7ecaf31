"""Begin the steps that wait for nothing any more: make their jobs, from the results of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.ports import ExtensionTransaction, Is, KeyedJob, Row
from sp00ky_workflows.calls import LoadedBackend, step_job
from sp00ky_workflows.model.advance import members, members_of
from sp00ky_workflows.model.graph import MOST_STEPS, Step, StepStatus, read_step
from sp00ky_workflows.model.pointers import INPUT, PointerUnmatched, pointed_at, split
from sp00ky_workflows.service.progress import Ended, settle
from sp00ky_workflows.service.rows import Change, Place, change, chunks, failure, rows_at
from sp00ky_workflows.tables import PREFIX, STEPS, WORKFLOWS, step_key

__all__ = ["AT_ONCE", "Begun", "begin", "refuse"]

AT_ONCE = 500
"""Steps that one transaction begins."""
MOST_RESULTS = 2**20
"""Bytes of the results that ``steps`` of a payload, or the result of a ``for_each``, may hold."""


@attrs.frozen(kw_only=True)
class Begun:
    """What one transaction has begun.

    Attributes:
        steps: Their places.
        ending: Workflows that may have ended.
    """

    steps: Sequence[Place] = ()
    ending: frozenset[str] = frozenset()


class _Result:
    """What came of a step: JSON text, parsed once for all that need it."""

    def __init__(self, text: str | None) -> None:
        self.text = text or "null"

    @cached_property
    def value(self) -> Any:
        return decode(self.text)


_NO_RESULT = _Result(None)


@attrs.frozen(kw_only=True)
class _Ready:
    """A step that can begin, and what it begins with."""

    row: Row
    workflow: Row
    step: Step
    results: Mapping[str, _Result]

    @property
    def place(self) -> Place:
        return self.row["workflow_id"], self.step.name

    def ended(self, status: StepStatus, result: str | None) -> Ended:
        return Ended(
            workflow_id=self.place[0], step=self.step, was=StepStatus.WAITING, status=status, result=result
        )


UNBEGUN: Mapping[str, Any] = {"status": "waiting", "waits_for": 0}
READY = tuple(Is(column, "=", value) for column, value in UNBEGUN.items())


async def begin(
    tx: ExtensionTransaction, backends: Mapping[str, LoadedBackend], only: Place | None = None
) -> Begun:
    """Begin some steps that wait for nothing.

    Args:
        tx: The transaction.
        backends: By name.
        only: This one alone.

    Raises:
        Beaten: Another runner was faster.
        Sp00kyError: A job can't be enqueued: steps are to be begun one by one.
    """
    where = [*READY]
    if only is not None:
        where += [Is("workflow_id", "=", only[0]), Is("name", "=", only[1])]
    rows = await tx.select(STEPS, where, limit=AT_ONCE, lock=True)
    if not rows:
        return Begun()
    ended, jobs = list[Ended](), dict[Place, KeyedJob]()
    for ready in await _with_results(tx, rows):
        try:
            made = await _made(tx, ready, backends)
        except (PointerUnmatched, Sp00kyError) as error:
            made = ready.ended(StepStatus.FAILED, failure(_code(error), str(error)))
        if isinstance(made, Ended):
            ended.append(made)
        elif made is not None:
            jobs[ready.place] = made
    await _enqueue(tx, jobs)
    ending = await settle(tx, ended) if ended else set()
    return Begun(steps=[(row["workflow_id"], row["name"]) for row in rows], ending=frozenset(ending))


async def refuse(tx: ExtensionTransaction, place: Place, error: Sp00kyError) -> set[str]:
    """Let a step fail whose job can't be enqueued; return workflows that may have ended."""
    ended = [
        Ended(
            workflow_id=place[0],
            step=read_step(row["definition"]),
            was=StepStatus.WAITING,
            status=StepStatus.FAILED,
            result=failure(_code(error), str(error)),
        )
        for row in await rows_at(tx, [place], ("definition", "status"))
        if row["status"] == "waiting"
    ]
    return await settle(tx, ended)


def _code(error: Exception) -> str:
    return "pointer_unmatched" if isinstance(error, PointerUnmatched) else type(error).__name__


async def _with_results(tx: ExtensionTransaction, rows: Sequence[Row]) -> list[_Ready]:
    workflows = dict[str, Row]()
    columns = ("id", "input", "revision", "status")
    for ids in chunks(row["workflow_id"] for row in rows):
        found = await tx.select(WORKFLOWS, [Is("id", "in", tuple(ids))], columns=columns)
        workflows |= {row["id"]: row for row in found}
    steps = [(row, read_step(row["definition"])) for row in rows if row["workflow_id"] in workflows]
    wanted = {(row["workflow_id"], name) for row, step in steps for name in _read_by(step)}
    results = {
        (row["workflow_id"], row["name"]): _Result(row["result"])
        for row in await rows_at(tx, wanted, ("result",))
    }
    return [
        _Ready(
            row=row,
            workflow=workflows[row["workflow_id"]],
            step=step,
            results={name: results.get((row["workflow_id"], name), _NO_RESULT) for name in _read_by(step)},
        )
        for row, step in steps
    ]


def _read_by(step: Step) -> Sequence[str]:
    return step.after if step.members is None else members_of(step)


async def _made(
    tx: ExtensionTransaction, ready: _Ready, backends: Mapping[str, LoadedBackend]
) -> KeyedJob | Ended | None:
    """Make the job of a step, or its result, or the steps of its ``for_each``."""
    step, workflow = ready.step, ready.workflow
    if workflow["status"] != "running":
        return ready.ended(StepStatus.KILLED, None)
    if step.members is not None:
        return ready.ended(StepStatus.SUCCESS, _collected(step, ready.results))
    given = decode(workflow["input"]) if workflow["input"] else None
    results = {name: result.value for name, result in ready.results.items()}
    if step.for_each is not None:
        return await _spread(tx, ready, _items(step, {**results, INPUT: given}))
    beside = step.of is None and sum(len(one.text) for one in ready.results.values()) <= MOST_RESULTS
    job = step_job(step, results, given, backends[step.backend], beside=beside)
    return KeyedJob(job=job, key=step_key(*ready.place, workflow["revision"]), prefix=PREFIX)


def _collected(step: Step, results: Mapping[str, _Result]) -> str:
    texts = [results[name].text for name in members_of(step)]
    size = sum(len(text) + 1 for text in texts)
    if size > MOST_RESULTS:
        return f'{{"truncated":true,"count":{len(texts)},"bytes":{size},"limit":{MOST_RESULTS}}}'
    return f"[{','.join(texts)}]"


def _items(step: Step, values: Mapping[str, Any]) -> list[Any]:
    text = step.for_each or ""
    source, pointer = split(text)
    items = pointed_at(values[source or step.after[0]], pointer, text)
    if not isinstance(items, list):
        raise PointerUnmatched(f"{text!r} is no list, so there is nothing to do for each of it")
    if len(items) > MOST_STEPS:
        raise PointerUnmatched(f"{text!r} has {len(items):,} items; at most {MOST_STEPS:,} can be")
    return items


async def _spread(tx: ExtensionTransaction, ready: _Ready, items: Sequence[Any]) -> Ended | None:
    """Add a step for each item, which the next transactions begin; of none the result is there."""
    if not items:
        return ready.ended(StepStatus.SUCCESS, "[]")
    whole = attrs.evolve(ready.step, members=len(items))
    new = {"waits_for": len(items), "definition": whole.text}
    await change(tx, [Change(place=ready.place, old=UNBEGUN, new=new)])
    rows = [*_member_rows(ready.place[0], members(ready.step, items))]
    await tx.insert(STEPS, rows)
    return None


def _member_rows(workflow_id: str, steps: Sequence[Step]) -> Iterator[Row]:
    for step in steps:
        yield {"workflow_id": workflow_id, "name": step.name, "definition": step.text}


async def _enqueue(tx: ExtensionTransaction, jobs: Mapping[Place, KeyedJob]) -> None:
    made = await tx.enqueue([*jobs.values()]) if jobs else []
    new = ({"status": "pending", "job_id": job.id} for job in made)
    await change(
        tx, [Change(place=place, old=UNBEGUN, new=one) for place, one in zip(jobs, new, strict=True)]
    )
