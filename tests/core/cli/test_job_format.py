"""Jobs as people read them: text that is hostile to a terminal does it no harm."""

import json
from pathlib import Path
from typing import Any

from sp00ky_core.cli.job_format import job_row
from sp00ky_core.job.job import AttemptError, Job, JobStatus

LONG = "x" * 60_000


def test_hostile_text_is_shown_as_it_is_in_json_and_harmless_elsewhere(migrated: Path, sp00ky: Any) -> None:
    text = "\x1b]0;owned\x07\x9b31m\u202e\r\n[red]x[/red]"
    (migrated / "payload.json").write_text(json.dumps({"id": text}))
    job = sp00ky("call", "api", "/json", "@payload.json", "--json").json
    assert job["payload"] == {"id": text}
    for command in (["list"], ["get", job["id"]], ["get", job["id"], "--json"], ["list", "--json"]):
        shown = sp00ky("jobs", *command).out
        assert not {"\x1b", "\x07", "\x9b", "\r"} & set(shown)
    assert "[red]x[/red]" in sp00ky("jobs", "get", job["id"]).out
    assert "\u202e" not in sp00ky("jobs", "get", job["id"]).out


def test_a_list_keeps_of_a_job_what_its_row_shows() -> None:
    error = AttemptError(at=None, attempt=1, code=500, name="http_status", reason=LONG)
    job = Job(
        id="job:a",
        backend="api",
        path="/json",
        payload_json=LONG.encode(),
        status=JobStatus.FAILED,
        errors=(error, error),
        result_json=LONG.encode(),
    )
    assert len(repr(job_row(job))) < 2_000
