"""Queues, runners, errors and the audit as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from sp00ky_core.encoding.report_json import audit_to_json, json_of, runner_to_json
from sp00ky_core.ports import AuditEntry, BackendStats, ErrorGroup, Pause, RunnerInfo, RunnerRecord

AT = datetime(2030, 1, 1, 12, tzinfo=UTC)
Z = "2030-01-01T12:00:00Z"


def test_a_queue_has_its_pause() -> None:
    paused = BackendStats(paused=Pause(until=AT, since=AT, reason="a deploy", actor="eve"))
    fields = json_of(paused)
    assert fields["paused"] == {"until": Z, "since": Z, "reason": "a deploy", "actor": "eve"}
    assert json_of(BackendStats())["paused"] is None
    assert fields["breaker"] == {"state": "closed", "paused_for_s": 0.0}
    json.dumps(fields, allow_nan=False)


def test_a_runner_has_its_state_and_what_it_holds() -> None:
    info = RunnerInfo(
        version="1", documents={"api": "x"}, in_flight={"api": 2}, slots={"api": 50}, draining=True
    )
    runner = RunnerRecord(id="r", host="h", pid=7, started_at=AT, beat_at=AT, silent_for=1.0, info=info)
    assert runner_to_json(runner) == {
        "id": "r",
        "host": "h",
        "pid": 7,
        "version": "1",
        "started_at": Z,
        "beat_at": Z,
        "state": "draining",
        "in_flight": {"api": 2},
        "slots": {"api": 50},
    }


def test_an_entry_of_the_audit() -> None:
    entry = AuditEntry(
        id="a", at=AT, action="kill", selection={"ids": ["job:1"]}, actor="eve", host="h", count=1
    )
    assert audit_to_json(entry) == {
        "id": "a",
        "at": Z,
        "actor": "eve",
        "db_user": None,
        "via": "python",
        "host": "h",
        "action": "kill",
        "selection": {"ids": ["job:1"]},
        "count": 1,
        "reason": None,
        "ended_at": None,
    }


def test_a_group_of_errors() -> None:
    group = ErrorGroup(
        backend="api", path="/a", name="timeout", code=0, count=2, first=AT, last=AT, example="job:1"
    )
    fields = json_of(group)
    assert list(fields) == ["backend", "path", "name", "code", "count", "first", "last", "example"]
    assert fields["first"] == fields["last"] == Z
