"""``sp00ky jobs watch`` on a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.core.cli.live.conftest import OnTerminal
from tests.core.cli.live.test_screen import drawn

from sp00ky_core import AttemptError, Job, JobStatus
from sp00ky_core.cli.live.changes import Changes

AT = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
REASON = "HTTP 500: the database of ghosts is down, so nothing can be said of them"


def job(number: int, status: JobStatus, **fields: Any) -> Job:
    fields = {"path": "/spookify", "updated_at": AT, "lease_epoch": 1, **fields}
    return Job(id=f"job:{number:032x}", backend="api", payload_json=b"{}", status=status, **fields)


def failure(number: int, status: JobStatus) -> Job:
    error = AttemptError(attempt=1, code=500, name="http_status", reason=REASON)
    return job(number, status, errors=(error,), retries=1)


def seen() -> Changes:
    changes = Changes()
    for each in (
        *(job(1, JobStatus.PENDING, lease_epoch=0), job(1, JobStatus.PROCESSING), job(1, JobStatus.SUCCESS)),
        *(job(2, JobStatus.PROCESSING), failure(3, JobStatus.PENDING), failure(4, JobStatus.FAILED)),
    ):
        changes.take(each)
    return changes


def test_a_picture_in_80_columns() -> None:
    lines = drawn(seen().picture(80, 24), 80)
    assert lines[0].split()[1:4] == ["in", "flight", "new/s"]
    assert [lines[1].split()[index] for index in (0, 1, 6, 7)] == ["api", "1", "1", "1"]
    assert lines[4].split() == ["HTTP", "500", "/spookify", "api", "2"]
    latest = lines[lines.index("latest changes (UTC), Ctrl-C ends this") + 1 :]
    assert [line.split()[1] for line in latest] == ["pending", "success", "pending", "failed"]
    assert latest[-1].startswith(
        "12:00:00  failed      api /spookify             500: HTTP 500: the database"
    )
    assert max(map(len, lines)) <= 80


def test_a_wide_terminal_has_room_for_ids() -> None:
    assert f"job:{4:032x}" in drawn(seen().picture(160, 24), 160)[-1]


def test_it_keeps_to_the_terminal_s_lines() -> None:
    changes = seen()
    for number in range(100):
        changes.take(job(number, JobStatus.SUCCESS))
    for height in (12, 24, 50):
        assert len(drawn(changes.picture(80, height), 80)) == height - 1


def test_what_was_before_counts_for_no_rate() -> None:
    changes = Changes()
    changes.remember([job(1, JobStatus.SUCCESS)])
    lines = drawn(changes.picture(80, 24), 80)
    assert "success" in lines[-1]
    assert lines[1] == ""


def test_a_screen_of_a_terminal(migrated: Path, sp00ky: Any, on_terminal: OnTerminal) -> None:
    sp00ky("call", "api", "/json")
    shown = on_terminal("jobs", "watch", "--history", "5", until=("latest changes", "pending     api /json"))
    assert shown.code == 130
    assert shown.is_clean
