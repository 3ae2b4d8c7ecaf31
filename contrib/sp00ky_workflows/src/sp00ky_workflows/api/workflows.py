"""Give ``outbox.extension(Workflows)``: make workflows, look at them, steer them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from inspect import isawaitable
from types import TracebackType
from typing import Any, Self, Unpack

import attrs

from sp00ky_core.encoding.json_bytes import Payload, encode, json_value
from sp00ky_core.error_texts import nearest, shown
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.outbox.enqueue import Transaction, check_given
from sp00ky_core.ports import (
    ActOptions,
    CallerConnection,
    ExtensionContext,
    ExtensionTransaction,
    Is,
    KeyedJob,
    Row,
    Table,
    Where,
)
from sp00ky_core.stores import finished
from sp00ky_core.stores.ids import new_key
from sp00ky_workflows.api.batches import Batch, Batches
from sp00ky_workflows.api.draft import Draft, Undo
from sp00ky_workflows.api.more_steps import MoreSteps
from sp00ky_workflows.api.records import (
    WITHOUT_DEFINITION,
    WorkflowRecord,
    found,
    step_record,
    workflow_record,
)
from sp00ky_workflows.api.signals import check_signal, give
from sp00ky_workflows.api.steering import RetryResult, before, kill, matching, retry, retry_many
from sp00ky_workflows.calls import as_upstream, problem_of
from sp00ky_workflows.errors import UnknownWorkflow, WorkflowInvalid
from sp00ky_workflows.model.advance import StepState
from sp00ky_workflows.model.file import read_workflow
from sp00ky_workflows.model.graph import Graph, OnFailure, WorkflowStatus, read_graph
from sp00ky_workflows.model.pauses import is_pause
from sp00ky_workflows.service.advance import Advance
from sp00ky_workflows.service.transactions import redone
from sp00ky_workflows.tables import ID, SIGNALS, STEPS, WORKFLOWS

__all__ = ["NewWorkflow", "Workflows"]

Deadline = datetime | timedelta | float | None
"""When a workflow has to have ended: an instant, or how long from now, in seconds if it is a number."""

WATCHED = 0.5
"""Seconds between two looks at a workflow that is watched."""

_ID = re.compile(rf"[A-Za-z0-9_.:-]{{1,{ID}}}")

EACH = 100
"""Retries of workflows after which the audit says how far they came."""


class NewWorkflow(Draft):
    """A workflow that is being made; it is written where the block ends, unless that raises.

    Attributes:
        id: The workflow's id.
        existed: Once it is written: a workflow of this id was there already, and nothing was written.
    """

    existed: bool = False

    def __init__(
        self,
        context: ExtensionContext,
        name: str,
        given: Any = None,
        *,
        id: str | None = None,  # noqa: A002  # as rows and files have it
        connection: CallerConnection = Transaction.OWN,
        deadline: Deadline = None,
        on_failure: OnFailure | str = OnFailure.HALT,
    ) -> None:
        super().__init__(name, on_failure)
        self.id: str = new_key() if id is None else _checked_id(name, id)
        self._is_once = id is not None
        self._context, self._connection = context, check_given(connection)
        self._input = None if given is None else json_value({"input": given})["input"]
        self._deadline = instant_of(deadline)
        when = self._deadline
        if when is not None and (when.tzinfo is None or when <= datetime.now(UTC)):
            problem = f"its deadline {when.isoformat()} must be one that is to come, with a time zone"
            raise WorkflowInvalid(workflow=name, step="", problem=problem)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._is_once:
            problem = "`id` goes with no blocking connection, which can't tell whether it is there already"
            raise WorkflowInvalid(workflow=self.name, step="", problem=problem)
        if error is None:
            finished(self.write_to(_Joined(self._context.insert_in, self._connection), self.graph()))

    async def write(self, graph: Graph | None = None) -> None:
        """Write the steps, or a graph, with the jobs that wait for nothing. Raises ``WorkflowInvalid``."""
        work: Any = partial(self.write_to, graph=graph or self.graph())
        self.existed = self._is_once and await self._context.read(self._is_there)
        if self.existed:
            return
        if self._connection is None:
            await redone(self._context, work)
        else:
            await work(_Joined(self._context.insert, self._connection))

    async def _is_there(self, tx: ExtensionTransaction) -> bool:
        return bool(await tx.select(WORKFLOWS, [Is("id", "=", self.id)], columns=("id",)))

    async def write_to(self, tx: Any, graph: Graph, **columns: Any) -> None:
        """Write it in a transaction of which nothing is read: what it needs is known."""
        self._check_graph(graph)
        row = {
            "id": self.id,
            "name": self.name,
            "definition": graph.text,
            "input": None if self._input is None else encode(self._input).decode(),
            **self._until(),
            "documents": encode(self._documents(graph)).decode(),
            **columns,
        }
        if self._is_once and self._connection is None:
            self.existed = not await tx.insert_once(WORKFLOWS, row)
            if self.existed:
                return
        advance = Advance(tx, self._context, is_new=True)
        made = {"revision": 1, "status": "running", "held": None, "held_since": None}
        advance.workflows[self.id] = {**row, **made}
        called = next(step for step in graph.steps if not is_pause(step))
        first = self._context.traced(NewJob(backend=called.backend, path=called.path))
        trace = {"traceparent": first.traceparent} if first.traceparent else {}
        states = [
            StepState(
                workflow_id=self.id,
                step=attrs.evolve(step, options={**trace, **step.options}),
                waits_for=len(step.after) + is_pause(step),
            )
            for step in graph.steps
        ]
        advance.steps.add(states)
        await advance.go_on(ready=[state for state in states if not state.waits_for])
        if not self._is_once or self._connection is not None:
            await tx.insert(WORKFLOWS, [row])

    def _until(self) -> Row:
        """Say when it has to have ended, and how long it has: a retry after that gets as long again."""
        left = None if self._deadline is None else (self._deadline - datetime.now(UTC)).total_seconds()
        return {"deadline": self._deadline, "deadline_s": left}

    def _check_graph(self, graph: Graph) -> None:
        backends = self._context.backends
        for step in graph.steps:
            for call in (step, *([step.undo] if step.undo else [])):
                if problem := problem_of(call, backends):
                    raise WorkflowInvalid(workflow=self.name, step=step.name, problem=problem)

    def _documents(self, graph: Graph) -> dict[str, str]:
        backends = self._context.backends
        called = {step.backend for step in graph.steps if not is_pause(step)}
        return {name: backends[name].document for name in sorted(called)}

    def of_file(self, graph: Graph) -> Graph:
        """Return a graph of sp00ky.yml with what Sp00ky's rule puts into its payloads."""
        backends = self._context.backends
        return attrs.evolve(graph, steps=[as_upstream(step, self._input, backends) for step in graph.steps])


@attrs.frozen
class _Joined:
    """The transaction of a caller's connection, as far as a new workflow needs one: it is written to."""

    insert_all: Any  # ``ExtensionContext.insert``, or ``insert_in``
    connection: CallerConnection

    async def enqueue(self, jobs: Sequence[KeyedJob]) -> list[Job]:
        return await self._insert({}, jobs) if jobs else []

    async def insert(self, table: Table, rows: Sequence[Row]) -> None:
        await self._insert({table: rows}, [])

    async def _insert(self, rows: Mapping[Table, Sequence[Row]], jobs: Sequence[KeyedJob]) -> list[Job]:
        made: Any = self.insert_all(self.connection, rows, jobs)
        inserted: list[Job] = await made if isawaitable(made) else made
        return inserted


def _checked_id(workflow: str, given: object) -> str:
    if not isinstance(given, str) or not _ID.fullmatch(given):
        problem = f"{shown(given)} is no id: it has letters, digits, and _ . : -, at most {ID} of them"
        raise WorkflowInvalid(workflow=workflow, step="", problem=problem)
    return given


def instant_of(deadline: Deadline) -> datetime | None:
    """Return when a deadline is."""
    if isinstance(deadline, int | float):
        deadline = timedelta(seconds=deadline)
    return datetime.now(UTC) + deadline if isinstance(deadline, timedelta) else deadline


class Workflows:
    """What ``outbox.extension(Workflows)`` gives."""

    def __init__(self, context: ExtensionContext) -> None:
        self._context = context

    def create(
        self,
        name: str,
        input: Any = None,  # noqa: A002  # as rows and files have it
        *,
        id: str | None = None,  # noqa: A002
        connection: CallerConnection = Transaction.OWN,
        deadline: Deadline = None,
        on_failure: OnFailure | str = OnFailure.HALT,
    ) -> NewWorkflow:
        """Make a workflow: ``async with workflows.create("checkout") as w: a = w.step(...)``.

        At the end of the block it is written, with the jobs of the steps that wait for nothing. With a
        ``connection`` it is there when its transaction commits; a blocking one's is a plain ``with``.

        Args:
            name: What it is called; many may have one name.
            input: What its steps are given.
            id: Yours, for one that is to be made once: made again, ``existed`` says that it is there.
            connection: Yours, as of ``Outbox.run``.
            deadline: When it has to have ended, else it fails and its jobs are killed.
            on_failure: ``halt``, or ``continue-independent``: steps that don't depend on a failed one go on.

        Raises:
            WorkflowInvalid: It can't be, with the step's name; nothing is written.
        """
        options: Any = {"id": id, "connection": connection, "deadline": deadline, "on_failure": on_failure}
        return NewWorkflow(self._context, name, input, **options)

    async def get(self, workflow_id: str) -> WorkflowRecord:
        """Return a workflow with its steps. Raises ``UnknownWorkflow``."""

        async def work(tx: ExtensionTransaction) -> WorkflowRecord:
            row = await found(tx, workflow_id)
            steps = await tx.select(STEPS, [Is("workflow_id", "=", workflow_id)], order=("name",))
            return workflow_record(row, tuple(map(step_record, steps)))

        return await self._context.read(work)

    async def list(
        self,
        *,
        name: str | None = None,
        status: WorkflowStatus | str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Sequence[WorkflowRecord]:
        """List workflows without their steps, newest first; ``after`` is the id of the last one before."""
        asked = {"name": name, "status": status and WorkflowStatus(status).value}
        where: list[Where] = [Is(column, "=", value) for column, value in asked.items() if value]

        async def work(tx: ExtensionTransaction) -> Sequence[WorkflowRecord]:
            met = [*where, *(before(await found(tx, after)) if after else [])]
            options: Any = {"order": ("-created_at", "-id"), "limit": limit, "columns": WITHOUT_DEFINITION}
            return [workflow_record(row) for row in await tx.select(WORKFLOWS, met, **options)]

        return await self._context.read(work)

    async def watch(self, workflow_id: str) -> AsyncGenerator[WorkflowRecord]:
        """Yield a workflow each time that it has changed, at last as it ended. Raises ``UnknownWorkflow``."""
        last = None
        while last is None or not last.has_ended:
            if (now := await self.get(workflow_id)) != last:
                yield now
            last = now
            if not last.has_ended:
                await asyncio.sleep(WATCHED)

    async def wait(self, workflow_id: str, *, timeout: float | None = None) -> WorkflowRecord:  # noqa: ASYNC109
        """Return a workflow once it has ended. Raises ``TimeoutError``, ``UnknownWorkflow``."""
        async with asyncio.timeout(timeout):
            return [state async for state in self.watch(workflow_id)][-1]

    async def kill(self, workflow_id: str, **act: Unpack[ActOptions]) -> WorkflowRecord:
        """Kill what a running workflow has pending; nothing is undone.

        Raises:
            UnknownWorkflow: There is none.
            WorkflowStopped: It has ended.
        """
        async with self._context.audited("kill workflow", {"id": workflow_id}, **act) as record:
            await kill(self._context, workflow_id, act.get("reason") or "the workflow was killed")
            await record.reach(1)
        return await self.get(workflow_id)

    async def retry(
        self,
        workflow_id: str,
        from_step: str | None = None,
        *,
        payload: Payload | None = None,
        **act: Unpack[ActOptions],
    ) -> WorkflowRecord:
        """Have a workflow that didn't succeed go on: what failed, and what wasn't done, is done again.

        Args:
            workflow_id: Its id.
            from_step: This step is done again too, and all that depends on it; for one that succeeded.
            payload: Of that step, or of the one that failed first, instead of its own.
            **act: Why, and who does it, for the audit.

        Raises:
            UnknownWorkflow: There is none, or no such step.
            WorkflowStopped: It still runs, or succeeded and no step is named.
            WorkflowInvalid: The payload doesn't fit.
        """
        selection = {"id": workflow_id, "from": from_step}
        async with self._context.audited("retry workflow", selection, **act) as record:
            await retry(self._context, workflow_id, from_step, payload)
            await record.reach(1)
        return await self.get(workflow_id)

    async def retry_many(
        self,
        *,
        status: WorkflowStatus | str = WorkflowStatus.FAILED,
        failed_step: str | None = None,
        name: str | None = None,
        limit: int | None = None,
        payload: Payload | None = None,
        dry_run: bool = False,
        **act: Unpack[ActOptions],
    ) -> RetryResult:
        """Have all workflows go on that have ended so: those that are there now, each once.

        Args:
            status: Theirs.
            failed_step: The step that failed first in them.
            name: Theirs.
            limit: At most so many, the newest; None: all.
            payload: Of the step that failed first, instead of its own.
            dry_run: Only count them.
            **act: Why, and who does it, for the audit.
        """
        asked: dict[str, Any] = {"failed_step": failed_step, "name": name}
        asked["status"] = WorkflowStatus(status).value
        ids = (await matching(self._context, **asked))[:limit]
        result = RetryResult(matched=len(ids))
        if dry_run or not ids:
            return result
        async with self._context.audited("retry workflows", {**asked, "limit": limit}, **act) as record:
            async for result in retry_many(self._context, ids, payload):
                if not result.done % EACH:
                    await record.reach(result.done)
            await record.reach(result.done)
        return result

    async def signal(
        self,
        workflow_id: str,
        signal: str,
        payload: Any = None,
        *,
        connection: CallerConnection = Transaction.OWN,
        **act: Unpack[ActOptions],
    ) -> None:
        """Give a workflow a signal, which a step waits for, or will; given twice, the first one counts.

        Args:
            workflow_id: The workflow, which is to be committed.
            signal: What ``wait_for`` names.
            payload: The step's result.
            connection: Yours: the signal is given when its transaction commits.
            **act: Why, and who does it; without them the audit doesn't name it.

        Raises:
            UnknownWorkflow: There is none, or none of its steps waits for such a signal.
            WorkflowStopped: It has ended.
        """
        row = {"workflow_id": workflow_id, "name": signal, "taken": 0}
        row["payload"] = encode(json_value({"payload": payload})["payload"]).decode()
        given = check_given(connection)
        if given is not None:
            await self._context.read(partial(check_signal, row=row))
            await self._context.insert(given, {SIGNALS: [row]})
            return
        if act:
            selection = {"id": workflow_id, "signal": signal}
            await self._context.read(partial(check_signal, row=row))
            await self._context.audit("signal workflow", selection, **act)
        await give(self._context, row)

    async def rerun(self, workflow_id: str, **act: Unpack[ActOptions]) -> WorkflowRecord:
        """Make a new workflow of the same steps and input. Raises ``UnknownWorkflow``."""

        async def work(tx: ExtensionTransaction) -> Row:
            return await found(tx, workflow_id, columns=None)

        row = await self._context.read(work)
        old = workflow_record(row)
        new = NewWorkflow(self._context, old.name, old.input, deadline=row["deadline_s"])
        return await self._started(new, read_graph(row["definition"]), "rerun workflow", **act)

    async def trigger(
        self,
        name: str,
        input: Any = None,  # noqa: A002
        **act: Unpack[ActOptions],
    ) -> WorkflowRecord:
        """Start a workflow of sp00ky.yml. Raises ``UnknownWorkflow``, ``WorkflowInvalid``."""
        written = self._context.options or {}
        if name not in written:
            raise UnknownWorkflow(f"sp00ky.yml has no workflow {name!r:.80}; {nearest(name, written)}")
        read = read_workflow(name, written[name])
        new = NewWorkflow(self._context, name, input, deadline=read.deadline)
        return await self._started(new, new.of_file(read.graph), "trigger workflow", **act)

    async def _started(
        self, new: NewWorkflow, graph: Graph, action: str, **act: Unpack[ActOptions]
    ) -> WorkflowRecord:
        async with self._context.audited(action, {"id": new.id, "name": new.name}, **act) as record:
            await new.write(graph)
            await record.reach(1)
        return await self.get(new.id)

    def add(self, workflow_id: str) -> MoreSteps:
        """Add steps to a workflow that runs: ``async with workflows.add(w.id) as w: w.step(...)``.

        They may wait for steps that are there, by their names.

        Raises:
            UnknownWorkflow: There is none.
            WorkflowStopped: It has ended.
            WorkflowInvalid: It can't be, with the step's name; nothing is added.
        """
        return MoreSteps(self._context, workflow_id)

    def batch(self, name: str, *, on_done: Undo | None = None, on_failed: Undo | None = None) -> Batch:
        """Return a batch of jobs by its name: ``async with workflows.batch("import-7", ...) as batch:``.

        Args:
            name: Its name, which no other batch has.
            on_done: A backend, a path and a payload; or a function and its arguments: the job that is made
                once when all jobs of the batch have ended, and it is closed.
            on_failed: The same, in its place where some have failed.
        """
        return Batch(self._context, name, on_done, on_failed)

    @property
    def batches(self) -> Batches:
        """The batches that there are."""
        return Batches(self._context)
