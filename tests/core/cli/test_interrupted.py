"""An interrupt ends any command with 130 and without a traceback; what was printed before is there."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.core.cli.conftest import comes_true


def ended(process: subprocess.Popen[str]) -> str:
    """What it says on stderr, as an interrupted command."""
    _, err = process.communicate(timeout=240)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    return err.strip()


@pytest.mark.parametrize("named", [True, False])
def test_watch_prints_each_document_at_once(migrated: Path, sp00ky: Any, start: Any, named: bool) -> None:
    job_id = sp00ky("call", "api", "/json", "--delay", "1h").out.strip()
    process = start("jobs", "watch", "--json", *([job_id] if named else ["--history", "1"]))
    document = json.loads(process.stdout.readline())  # the process goes on: nothing was kept in a buffer
    assert (document["id"], document["status"]) == (job_id, "pending")
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert ended(process) == ""


def test_an_interrupted_wait_lets_the_attempt_end_unless_told_twice(
    migrated: Path, sp00ky: Any, start: Any, misbehaving: Any
) -> None:
    seen = len(misbehaving.requests)
    process = start("call", "api", "/hang", "--max-retries", "0", "--wait")
    comes_true(lambda: len(misbehaving.requests) > seen)
    process.send_signal(signal.SIGINT)
    assert "is pending: delivered by this command" in process.stderr.readline()
    assert "a second SIGTERM or SIGINT exits at once" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert ended(process) == ""
    (job,) = sp00ky("jobs", "list", "--json").json["jobs"]
    assert job["status"] == "processing"  # the attempt has not been waited for
