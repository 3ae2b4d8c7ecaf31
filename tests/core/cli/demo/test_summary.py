"""The demo's summary: what was retried and why, what failed, and how to go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from sp00ky_core.cli.demo.backend import DemoBackend
from sp00ky_core.cli.demo.summary import PAYMENT, Killed, summary
from sp00ky_core.job import AttemptError, Job, JobStatus


def job(key: str, path: str, status: JobStatus, *errors: AttemptError, **fields: Any) -> Job:
    return Job(
        id=f"job:{key}", backend="demo", path=path, payload_json=b"{}", status=status, errors=errors, **fields
    )


def error(name: str, code: int) -> AttemptError:
    return AttemptError(attempt=1, code=code, name=name, reason="")


def test_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SP00KY_STORE", "memory://")
    broken, busy, reset = error("http_status", 500), error("throttled", 429), error("reset", 0)
    jobs = [
        job("1", "/a", JobStatus.SUCCESS, broken, retries=1),
        job("2", "/a", JobStatus.FAILED, broken, broken, reset, retries=2, max_retries=2),
        job("3", "/a", JobStatus.SUCCESS, busy),
        job("4", PAYMENT, JobStatus.FAILED, broken, max_retries=0),
    ]
    backend = DemoBackend()
    for each, answered in (("1", False), ("1", True), ("3", True), ("3", True), ("4", False)):
        backend.note(f"job:{each}", answered=answered)
    killed = Killed(pid=7, in_flight=["job:1", "job:2"])
    shown = summary(jobs, backend, 2.0, tmp_path / "sp00ky.yml", killed)
    lines = [click.unstyle(line) for line in shown]
    assert lines[1:-4] == [
        "4 jobs in 2.0 s, none lost",
        "delivered:   2",
        "retried:     2, of which 1 were delivered in the end",
        "  because of 3 x HTTP 500, 1 x reset",
        "throttled:   1, which waited and used up no retry",
        "killed:      runner 7, with 2 jobs in flight",
        "recovered:   1, delivered by the next runner",
        "failed:      2",
        "  1 x /a, after 2 retries: 2 x HTTP 500, 1 x reset",
        f"  1 x {PAYMENT}, never retried: 1 x HTTP 500",
        "sent twice:  1, that the killed runner had sent; their Idempotency-Key says so",
        f"{PAYMENT} must not be repeated: 1 jobs, at most 1 request for each",
        "",
    ]
    assert all(line.startswith("  SP00KY_STORE= ") for line in lines[-2:])
