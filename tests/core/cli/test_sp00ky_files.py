"""Commands on the files of existing Sp00ky projects: what is used, what is left out, what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sp00ky_core.cli.init import template_text
from sp00ky_core.config import load_config
from sp00ky_core.retry import RetryPolicy, next_delay

CONFIG = template_text("sp00ky.yml")

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


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("retry: {base: 0.01}", "retry: {max: 9}", "unknown key 'max'"),
        ("retry: {base: 0.01}", "retry: {strategy: fast}", "no retry strategy 'fast'"),
        ("retry: {base: 0.01}", "rate: {limit: 0, per: 1s}", "rate.limit"),
        ("retry: {base: 0.01}", "rate: {limit: 10, per: 2d}", "rate.per"),
        ("retry: {base: 0.01}", "rate: {per: 1s}", "it has no `limit`"),
        ("retry: {base: 0.01}", "maxInFlight: 0", "maxInFlight"),
        ("retry: {base: 0.01}", "signingSecret: s3cret", "backends.api.signingSecret: expected whsec_"),
    ],
)
def test_what_would_be_ignored_is_refused(project: Path, sp00ky: Any, old: str, new: str, says: str) -> None:
    file = project / "sp00ky.yml"
    file.write_text(file.read_text().replace(old, new))
    for command in (["check"], ["run"], ["call", "api", "/json"]):
        line = sp00ky(*command).complaint(2)
        assert says in line
        assert str(file) in line


def test_what_init_writes_outlasts_a_bad_deploy(tmp_path: Path) -> None:
    (tmp_path / "sp00ky.yml").write_text(CONFIG)
    api = load_config(tmp_path / "sp00ky.yml").backends["api"]
    retry = api.retry
    policy = RetryPolicy(
        strategy=retry.strategy,
        max_retries=retry.max_retries,
        base=retry.base,
        factor=retry.factor,
        cap=retry.cap,
        jitter=retry.jitter,
    )
    waits = [next_delay(policy, n, random=0.0) for n in range(1, retry.max_retries + 1)]
    assert sum(waits) > 16 * 60  # as it says there
    assert not api.give_up_on
    written = yaml.safe_load(CONFIG)["backends"]["api"]
    assert {"retry", "breaker", "retention", "concurrency", "giveUpOn", "timeout"} <= written.keys()
