"""Read what became of jobs that have ended: as a runner has just written it, or from their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sp00ky_core import JobQuery
from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.job.job import AttemptError, JobStatus
from sp00ky_core.job.state_machine import Transition
from sp00ky_core.ports import ExtensionContext
from sp00ky_core.stores.ids import table_of
from sp00ky_workflows.model.graph import StepStatus

__all__ = ["Outcome", "Outcomes", "failure", "outcomes_of"]

Outcome = tuple[StepStatus, str | None]
"""What a step becomes: its status, and JSON text of its result."""
Outcomes = Mapping[str, Outcome]
"""By the ids of jobs."""


def failure(code: str, reason: str) -> Outcome:
    """Return what a step becomes that has failed."""
    return StepStatus.FAILED, encode({"code": code, "reason": reason}).decode()


GONE = failure("job_gone", "its job was deleted before it was noticed")


async def outcomes_of(
    context: ExtensionContext, heard: Mapping[str, Transition | None]
) -> dict[str, Outcome]:
    """Return what became of those of some jobs that have ended; those of which nothing is known are read."""
    outcomes, asked = dict[str, Outcome](), list[str]()
    for job_id, written in heard.items():
        if written is None:
            asked.append(job_id)
        else:
            errors = [] if written.error is None else [written.error]
            outcomes[job_id] = _outcome(written.to, written.result_json or b"null", errors)
    found = await context.jobs.find(JobQuery(ids=tuple(asked), limit=len(asked))) if asked else []
    tables = {backend.table.table for backend in context.backends.values()}
    gone = {*asked} - {job.id for job in found}
    outcomes |= {job_id: GONE for job_id in gone if table_of(job_id) in tables}
    for job in found:
        if job.is_terminal:
            whole = await context.jobs.get(job.id) if "result" in job.omitted else job
            outcomes[job.id] = _outcome(job.status, encode(whole.result), whole.errors)
    return outcomes


def _outcome(status: JobStatus, result: bytes, errors: Sequence[AttemptError]) -> Outcome:
    if status is JobStatus.SUCCESS:
        return StepStatus.SUCCESS, result.decode()
    if not errors:
        return failure("failed", "its job has failed")
    return failure(errors[-1].name, str(errors[-1]))
