"""The demo's jobs between its processes."""

from __future__ import annotations

from sp00ky_core.cli.demo.snapshot import jobs_of, line_of
from sp00ky_core.job import AttemptError, Job, JobStatus


def test_what_is_shown_comes_through() -> None:
    error = AttemptError(attempt=1, code=500, name="http_status", reason="")
    job = Job(
        id="job:1",
        backend="demo",
        path="/chat",
        payload_json=b"{}",
        status=JobStatus.FAILED,
        retries=2,
        max_retries=2,
        errors=(error,),
    )
    line = line_of([job])
    assert line.endswith(b"\n")
    assert jobs_of(line) == [job]
