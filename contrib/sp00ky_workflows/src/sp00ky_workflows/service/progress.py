"""Settle steps that have ended: those that wait for them wait for less, or are skipped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import attrs

from sp00ky_core import Job
from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import ExtensionTransaction, Is, Row
from sp00ky_workflows.model.advance import fewer, undone_by
from sp00ky_workflows.model.graph import Step, StepStatus, WorkflowStatus, read_step
from sp00ky_workflows.service.rows import Change, Place, change, chunks, failure, rows_at
from sp00ky_workflows.tables import STEPS, WORKFLOWS

__all__ = ["Ended", "ended_steps", "settle"]


@attrs.frozen(kw_only=True)
class Ended:
    """A step that has ended.

    Attributes:
        workflow_id: Its workflow's.
        step: It.
        was: Its status until now.
        status: Its new one.
        result: JSON text of what came of it.
        job_id: Of its job, if it has one.
    """

    workflow_id: str
    step: Step
    was: StepStatus
    status: StepStatus
    result: str | None
    job_id: str | None = None

    @property
    def place(self) -> Place:
        """Which step it is."""
        return self.workflow_id, self.step.name

    @property
    def changed(self) -> Change:
        """What its row becomes."""
        new = {"status": self.status.value, "result": self.result}
        return Change(place=self.place, old={"status": self.was.value}, new=new, job_id=self.job_id)


async def ended_steps(tx: ExtensionTransaction, jobs: Mapping[str, Job | None]) -> list[Ended]:
    """Return the steps whose jobs have ended; None stands for a job that is gone."""
    ended = list[Ended]()
    for ids in chunks(jobs):
        where = [Is("job_id", "in", tuple(ids)), Is("status", "in", ("pending", "failed"))]
        columns = ("workflow_id", "name", "job_id", "status", "definition")
        for row in await tx.select(STEPS, where, columns=columns):
            job = jobs[row["job_id"]]
            if row["status"] == "pending" or (job and job.status is JobStatus.SUCCESS):
                ended.append(_ended(row, job))
    return ended


def _ended(row: Row, job: Job | None) -> Ended:
    if job is None:
        status, result = StepStatus.FAILED, failure("job_gone", "its job was deleted before it was noticed")
    elif job.status is JobStatus.SUCCESS:
        status = StepStatus.SUCCESS
        result = encode(job.result).decode()  # some databases keep a text without its quotes
    else:
        error = job.errors[-1] if job.errors else None
        reason = f"{error}: {error.reason}" if error else "its job has failed"
        status, result = StepStatus.FAILED, failure(error.name if error else "failed", reason)
    return Ended(
        workflow_id=row["workflow_id"],
        step=read_step(row["definition"]),
        was=StepStatus(row["status"]),
        status=status,
        result=result,
        job_id=row["job_id"],
    )


async def settle(tx: ExtensionTransaction, ended: Sequence[Ended]) -> set[str]:
    """Write down what has ended and what follows from that; return workflows that may have ended.

    Raises:
        Beaten: Another runner was faster.
    """
    failed = [one for one in ended if one.status is StepStatus.FAILED]
    running = await _running(tx, {one.workflow_id for one in failed})
    killed = {one.place for one in failed if one.workflow_id not in running}
    ended = [attrs.evolve(one, status=StepStatus.KILLED) if one.place in killed else one for one in ended]
    await change(tx, [one.changed for one in ended])
    ending = {one.workflow_id for one in ended if not one.step.then or one.was is StepStatus.FAILED}
    undoing = [one for one in ended if undone_by(one.step.name)]
    await _undone(tx, undoing)
    done = [one for one in ended if one.status is StepStatus.SUCCESS or one in undoing]
    ending |= await _wait_for_less(tx, done)
    fallen = [one for one in ended if one.status is StepStatus.FAILED and one not in undoing]
    await _fail(tx, fallen)
    return ending | {one.workflow_id for one in ended if one.status is not StepStatus.SUCCESS}


async def _running(tx: ExtensionTransaction, workflows: Iterable[str]) -> set[str]:
    found = set[str]()
    for ids in chunks(workflows):
        where = [Is("id", "in", tuple(ids)), Is("status", "=", WorkflowStatus.RUNNING.value)]
        found |= {row["id"] for row in await tx.select(WORKFLOWS, where, columns=("id",))}
    return found


async def _undone(tx: ExtensionTransaction, undoing: Iterable[Ended]) -> None:
    for one in undoing:
        if one.status is StepStatus.SUCCESS and (name := undone_by(one.step.name)):
            where = [Is("workflow_id", "=", one.workflow_id), Is("name", "=", name)]
            await tx.update(STEPS, [*where, Is("status", "=", "success")], {"status": "undone"})


async def _wait_for_less(tx: ExtensionTransaction, done: Sequence[Ended]) -> set[str]:
    """Count down the steps that wait; return the workflows in which one that should doesn't."""
    counts = fewer((one.workflow_id, one.step) for one in done)
    rows = await rows_at(tx, counts, ("status", "waits_for"))
    changes = [
        Change(
            place=place,
            old={"status": "waiting", "waits_for": row["waits_for"]},
            new={"waits_for": row["waits_for"] - counts[place]},
        )
        for row in rows
        if row["status"] == "waiting" and (place := (row["workflow_id"], row["name"])) in counts
    ]
    await change(tx, changes)
    return {row["workflow_id"] for row in rows if row["status"] != "waiting"}


async def _fail(tx: ExtensionTransaction, fallen: Sequence[Ended]) -> None:
    """Say of workflows which step has failed, and skip what doesn't begin any more."""
    for one in fallen:
        unsaid = [Is("id", "=", one.workflow_id), Is("failed_step", "=", None)]
        await tx.update(WORKFLOWS, unsaid, {"failed_step": one.step.name})
    whole = [one for one in fallen if one.step.of]
    for one in whole:  # the step that it belongs to
        where = [Is("workflow_id", "=", one.workflow_id), Is("name", "=", one.step.of)]
        result = failure("item_failed", f"{one.step.name} has failed")
        met = [*where, Is("status", "=", "waiting")]
        await tx.update(STEPS, met, {"status": "failed", "result": result})
    for workflow in {one.workflow_id for one in fallen if one.step.halt}:
        where = [Is("workflow_id", "=", workflow), Is("status", "=", "waiting")]
        await tx.update(STEPS, where, {"status": "skipped"})
    await _skip(tx, [one for one in fallen if not one.step.halt])


async def _skip(tx: ExtensionTransaction, fallen: Sequence[Ended]) -> None:
    """Skip what depends on failed steps, neighbours after neighbours."""
    reached: dict[str, set[str]] = defaultdict(set)
    for one in fallen:
        reached[one.workflow_id] |= {one.step.of} if one.step.of else {*one.step.then}
    for workflow, names in reached.items():
        seen, front = {*names}, names
        while front:
            rows = await rows_at(tx, [(workflow, name) for name in front], ("status", "definition"))
            front = {name for row in rows for name in read_step(row["definition"]).then} - seen
            seen |= front
            waiting = [row["name"] for row in rows if row["status"] == "waiting"]
            for some in chunks(waiting):
                where = [Is("workflow_id", "=", workflow), Is("name", "in", tuple(some))]
                await tx.update(STEPS, [*where, Is("status", "=", "waiting")], {"status": "skipped"})
