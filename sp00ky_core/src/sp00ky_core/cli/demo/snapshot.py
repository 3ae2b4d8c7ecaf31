"""Carry the demo's jobs from the process that has their file to the one that shows them, as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sp00ky_core.job import AttemptError, Job, JobStatus


def line_of(jobs: Sequence[Job]) -> bytes:
    """Write what is shown of the jobs."""
    rows = [
        [
            *(job.id, job.path, job.status, job.retries, job.max_retries),
            [(error.attempt, error.code, error.name) for error in job.errors],
        ]
        for job in jobs
    ]
    return json.dumps(rows).encode() + b"\n"


def jobs_of(line: bytes) -> list[Job]:
    """Read the jobs, as far as they are shown."""
    return [
        Job(
            id=job_id,
            backend="demo",
            path=path,
            payload_json=b"{}",
            status=JobStatus(status),
            retries=retries,
            max_retries=max_retries,
            errors=tuple(
                AttemptError(attempt=attempt, code=code, name=name, reason="")
                for attempt, code, name in errors
            ),
        )
        for job_id, path, status, retries, max_retries, errors in json.loads(line)
    ]
