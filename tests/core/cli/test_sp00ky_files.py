"""Commands on the files of existing Sp00ky projects: what is used, what is left out, what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

TOKEN = "tok3n-that-nobody-may-see"

TODAY = """\
mode: sidecar
slug: example
store: {store}
retention: {{success: 1h, runFailed: 30d}}
schedules: {{nightly: {{cron: "0 3 * * *", backend: api, route: /json}}}}
workflows: {{deploy: {{steps: {{}}}}}}
unheardOf: 1
apps:
  api:
    type: backend
    spec: ./openapi.json
    baseUrl: {url}
    auth: {{type: token, token: {{vault: API_TOKEN}}}}
    method: {{type: outbox, schema: ./outbox.surql, concurrency: 2}}
    frobnicate: 1
  web: {{type: frontend, path: ./web}}
  later: {{type: backend, scope: devOnly}}
"""


@pytest.fixture
def today(project: Path, misbehaving: Any) -> Path:
    """The project, with a file of today."""
    (project / "sp00ky.yml").write_text(TODAY.format(store="surrealkv://./sp00ky.db", url=misbehaving.url))
    return project


def test_check_names_what_has_no_effect(today: Path, sp00ky: Any) -> None:
    assert sp00ky("migrate").code == 0
    checked = sp00ky("check", "--json")
    assert checked.code == 0
    assert {each["severity"] for each in checked.json["findings"]} == {"warning"}
    said = {each["subject"]: each["problem"] for each in checked.json["findings"]}
    assert sorted(said) == [
        "apps.api.frobnicate",
        "backend later",
        "backend web",
        "unheardOf",
        "workflows",
    ]
    assert said["backend later"] == "left out: its scope is devOnly"
    assert said["workflows"] == "not in this version"


def test_the_others_jobs_run_and_the_start_warns(today: Path, sp00ky: Any, start: Any) -> None:
    job_id = sp00ky("call", "api", "/json").out.strip()
    process = start("run", "--until-empty")
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert sp00ky("jobs", "get", job_id, "--json").json["status"] == "success"
    for said in ("backend web: left out", "workflows: not in this version"):
        assert said in err
    assert TOKEN not in err


@pytest.mark.parametrize("token", ['"${API_TOKEN}"', "{vault: API_TOKEN}"])
def test_only_what_sends_the_token_needs_it(
    project: Path, sp00ky: Any, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    file = project / "sp00ky.yml"
    file.write_text(file.read_text().replace('"${API_TOKEN}"', token))
    monkeypatch.delenv("API_TOKEN")
    job_id = sp00ky("call", "api", "/json").out.strip()
    for command in (["jobs", "list"], ["jobs", "get", job_id], ["jobs", "stats"], ["jobs", "kill", job_id]):
        assert sp00ky(*command).code == 0
    for command in (["run", "--until-empty"], ["call", "api", "/json", "--wait"]):
        line = sp00ky(*command).complaint(2)
        assert "backends.api.auth.token: the environment variable API_TOKEN is not set" in line
    (warning,) = sp00ky("check", "--json").json["findings"]
    assert (warning["severity"], warning["subject"]) == ("warning", "backends.api.auth.token")
    assert warning["problem"].startswith("the environment variable API_TOKEN is not set")
    assert "set it" not in warning["problem"]
    assert warning["fix"] == "set it where `sp00ky run` runs"
    assert len(sp00ky("jobs", "list", "--json").json["jobs"]) == 1
