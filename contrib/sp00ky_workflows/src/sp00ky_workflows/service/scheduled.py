"""Let schedules start workflows: what ``sp00ky-schedules`` does with jobs it does here with workflows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import attrs

from sp00ky_core.encoding.json_bytes import decode, encode
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.job.job import AttemptError, JobStatus, NewJob
from sp00ky_core.job.outcome import KILLED
from sp00ky_core.ports import ExtensionContext, ExtensionTransaction, Is, JobQuery, KeyedJob, Row
from sp00ky_core.stores import finished
from sp00ky_schedules import ScheduleConfig, ScheduleInvalid, SchedulesConfig
from sp00ky_schedules.model.config import parse_schedule
from sp00ky_schedules.model.fire import DEADLINE_EXCEEDED, kill_reason
from sp00ky_schedules.plugin import SchedulesExtension
from sp00ky_workflows.api.steering import kill
from sp00ky_workflows.api.workflows import NewWorkflow
from sp00ky_workflows.errors import WorkflowInvalid, WorkflowStopped
from sp00ky_workflows.model.file import read_workflow
from sp00ky_workflows.model.pauses import is_pause
from sp00ky_workflows.tables import WORKFLOWS

__all__ = ["Scheduled"]

BACKEND = "workflow/"
"""Begins the names of the backend and the table that a workflow's schedule has, and the id of its run."""

logger: logging.Logger = logging.getLogger(__name__)

AFTER_FAILURE = 1.0
"""Seconds until what failed is tried again."""

SAID_AGAIN = 60.0
"""Seconds until the same failure is said again."""


@attrs.frozen(kw_only=True)
class _Run:
    """A workflow, as far as schedules ask of a job."""

    id: str
    status: JobStatus = JobStatus.PROCESSING
    errors: Sequence[AttemptError] = ()
    updated_at: datetime | None = None

    @property
    def is_terminal(self) -> bool:
        return self.status is not JobStatus.PROCESSING


@attrs.frozen
class Scheduled:
    """An ``ExtensionContext`` for schedules, in which workflows stand for jobs.

    Attributes:
        options: The schedules of the file's workflows.
        state: What this process keeps.
        extension: What works with it.
    """

    _context: ExtensionContext
    extension: SchedulesExtension = attrs.field(factory=SchedulesExtension)
    options: SchedulesConfig = attrs.field(init=False)
    state: dict[str, Any] = attrs.field(factory=dict)
    _reasons: dict[str, str] = attrs.field(factory=dict)

    @options.default
    def _read(self) -> SchedulesConfig:
        schedules, left_out = dict[str, ScheduleConfig](), dict[str, str]()
        for name, raw in (self._context.options or {}).items():
            try:
                read = read_workflow(name, raw)
                if read.schedule is not None:
                    called = next(step for step in read.graph.steps if not is_pause(step))
                    backend = f"{BACKEND}{called.backend}"
                    schedules[name] = parse_schedule(
                        name, {**read.schedule, "route": name, "backend": backend}
                    )
            except (WorkflowInvalid, ScheduleInvalid) as error:
                left_out[name] = str(error)
        return SchedulesConfig(schedules=schedules, left_out=left_out)

    async def fire(self) -> None:
        """Start workflows by the clock, until cancelled."""
        service = self.extension.start(cast("ExtensionContext", self))
        said, again_at = "", 0.0
        try:
            while self.options.schedules:
                wait = AFTER_FAILURE
                try:
                    wait = await service.look()
                except Sp00kyError as error:
                    if str(error) != said or self._context.clock() >= again_at:
                        logger.warning("workflows aren't started by their schedules yet: %s", error)
                        said, again_at = str(error), self._context.clock() + SAID_AGAIN
                await asyncio.sleep(wait)
        finally:
            await service.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    @property
    def backends(self) -> Mapping[str, Any]:
        """What stands for backends: workflows whose first step is that backend's; it knows no operations."""
        contract = SimpleNamespace(operation=lambda _route: None)
        tables = {name: f"{BACKEND}{one.table.table}" for name, one in self._context.backends.items()}
        return {
            f"{BACKEND}{name}": SimpleNamespace(
                name=f"{BACKEND}{name}", table=SimpleNamespace(table=table), contract=contract
            )
            for name, table in tables.items()
        }

    @property
    def served(self) -> Collection[str]:
        """See ``ExtensionContext.served``."""
        return [f"{BACKEND}{name}" for name in self._context.served]

    @property
    def jobs(self) -> Scheduled:
        """What finds and kills workflows."""
        return self

    def share(self, key: str, backend: str | None = None) -> bool:
        """See ``ExtensionContext.share``."""
        return self._context.share(key, backend and backend.removeprefix(BACKEND))

    async def transact(self, work: Any) -> Any:
        """See ``ExtensionContext.transact``; what is enqueued starts workflows."""
        return await self._context.transact(lambda tx: work(_Starting(tx, self)))

    def check(self, new_job: NewJob) -> NewJob:
        """Tell whether a workflow can be started so. Raises ``WorkflowInvalid``."""
        finished(self.start(_Nothing(), new_job, "0" * 32))
        return new_job

    async def start(self, tx: Any, new_job: NewJob, workflow_id: str) -> _Run:
        """Start a workflow for a fire, or for a row of one."""
        name, row = new_job.path, decode(new_job.payload_json).get("row")
        read, for_each = (
            read_workflow(name, self._context.options[name]),
            self.options.schedules[name].for_each,
        )
        key = row.get(for_each.key) if for_each and row else None
        text = key if key is None or isinstance(key, str) else encode(key).decode()
        new = NewWorkflow(self._context, name, row, deadline=read.deadline)
        new.id = workflow_id
        await new.write_to(tx, new.of_file(read.graph), schedule=name, key=text)
        return _Run(id=f"{BACKEND}{workflow_id}")

    async def find(self, query: JobQuery) -> list[_Run]:
        """Return workflows by the ids of their runs."""
        ids = tuple(one.removeprefix(BACKEND) for one in query.ids or ())
        columns = ("id", "status", "failed_step", "ended_at", "deadline")

        async def work(tx: ExtensionTransaction) -> list[Row]:
            return await tx.select(WORKFLOWS, [Is("id", "in", ids)], columns=columns)

        return [self._run(row) for row in await self._context.read(work)]

    def _run(self, row: Row) -> _Run:
        run = _Run(id=f"{BACKEND}{row['id']}", updated_at=row["ended_at"])
        if row["status"] in ("running", "success"):
            status = JobStatus.SUCCESS if row["status"] == "success" else JobStatus.PROCESSING
            return attrs.evolve(run, status=status)
        is_late = row["deadline"] is not None and row["deadline"] <= row["ended_at"]
        name, reason = "workflow_failed", f"its step {row['failed_step']} has failed"
        if is_late or row["status"] == "killed":
            name, reason = KILLED, self._reasons.get(row["id"], "the workflow was killed")
        reason = kill_reason(DEADLINE_EXCEEDED) if is_late else reason
        error = AttemptError(attempt=1, code=0, name=name, reason=reason)
        return attrs.evolve(run, status=JobStatus.FAILED, errors=(error,))

    async def kill(self, ids: Sequence[str], *, reason: str) -> None:
        """Kill workflows that run."""
        for workflow_id in (one.removeprefix(BACKEND) for one in ids):
            self._reasons[workflow_id] = reason
            try:
                await kill(self._context, workflow_id, reason)
            except WorkflowStopped:
                continue  # it has ended meanwhile

    async def delete(self, ids: Sequence[str]) -> None:
        """Delete nothing: workflows are kept as ``retention`` says."""


@attrs.frozen
class _Starting:
    """A transaction in which an enqueue starts workflows."""

    _tx: ExtensionTransaction
    _scheduled: Scheduled

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    async def enqueue(self, jobs: Sequence[KeyedJob]) -> list[_Run]:
        return [await self._scheduled.start(self._tx, one.job, one.key.hex) for one in jobs]


class _Nothing:
    """A transaction that writes nothing."""

    async def enqueue(self, jobs: Sequence[KeyedJob]) -> list[_Run]:
        return [_Run(id="") for _ in jobs]

    async def insert(self, *_: Any) -> None:
        return None
