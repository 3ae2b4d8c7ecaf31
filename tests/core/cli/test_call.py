"""``sp00ky call``: payloads from the shell, what is enqueued, what is refused, and waiting for the end."""

import json
import re
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from tests.core.cli.conftest import Cli
from tests.core.cli.shelf import Shelf

from sp00ky_conformance import MisbehavingBackend
from sp00ky_core import load_plugins
from sp00ky_core.backend.loading import load_backends
from sp00ky_core.config import load_config
from sp00ky_core.plugins.registry import GROUP
from sp00ky_openapi import Contract


def test_every_option_reaches_the_row(migrated: Path, sp00ky: Any) -> None:
    job = sp00ky(
        *("call", "api", "/json", "--assigned-to", "thread:abc", "--max-retries", "7"),
        *("--retry-strategy", "exponential", "--delay", "5m", "--dedup-key", "once", "--json"),
    ).json
    assert (job["assigned_to"], job["max_retries"], job["retry_strategy"]) == ("thread:abc", 7, "exponential")
    assert (job["dedup_key"], job["status"]) == ("once", "pending")
    late = datetime.fromisoformat(job["run_at"]) - datetime.fromisoformat(job["created_at"])
    assert abs(late - timedelta(minutes=5)) < timedelta(seconds=1)
    assert sp00ky("call", "api", "/json", "--dedup-key", "once").out.strip() == job["id"]


def test_when_and_in_what_order_reaches_the_row(shelf: Shelf, sp00ky: Any) -> None:
    called = sp00ky(
        *("call", "api", "/json", "--priority", "3", "--ordering-key", "k"),
        *("--run-at", "2030-01-01T12:00:00Z", "--expires-at", "1d", "--json"),
    ).json
    assert (called["priority"], called["ordering_key"]) == (3, "k")
    assert called["run_at"] == "2030-01-01T12:00:00Z"
    expires_at = shelf.all()[called["id"]].expires_at
    assert expires_at is not None
    assert timedelta(hours=23) < expires_at - datetime.now(UTC) <= timedelta(days=1)
    bare = sp00ky("call", "api", "/json", "--json").json
    assert (bare["priority"], bare["ordering_key"]) == (0, None)


def test_a_timeout_without_effect_is_said(migrated: Path, sp00ky: Any) -> None:
    called = sp00ky("call", "api", "/json", "--timeout", "5", "--json")
    assert "timeoutOverridable" in called.complaint(0)
    assert called.json["timeout"] == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["apj", "/json"], "did you mean 'api'?"),
        (["api", "/jsn"], "did you mean '/json'?"),
        (["api", "/json", '{"id": 1}'], "/id: "),
        (["api", "/json", "{"], "must be a JSON object"),
        (["api", "/json", "[]"], "must be a JSON object"),
        (["api", "/json", '{"id": NaN}'], "NaN"),
        (["api", "/json", '{"id": "1", "id": "2"}'], "the key 'id' is there twice; keep one"),
        (["api", "/json", "@nowhere.json"], "nowhere.json"),
        (["api", "/json", "--max-retries", "-1"], "--max-retries is -1"),
        (["api", "/json", "--max-retries", "x"], "--max-retries"),
        (["api", "/json", "--timeout", "0"], "timeout is 0.0"),
        (["api", "/json", "--timeout", "nan"], "timeout is nan"),
        (["api", "/json", "--delay", "soon"], "a duration"),
        (["api", "/json", "--delay", "never"], "a duration"),
        (["api", "/json", "--delay", "nan"], "a duration"),
        (["api", "/json", "--delay=-5"], "delay"),
        (["api", "/json", "--retry-strategy", "lineal"], "did you mean 'linear'?"),
        (["api", "/json", "--priority", "4"], "priority is 4; expected a whole number from 0 to 3"),
        (["api", "/json", "--priority", "high"], "--priority"),
        (["api", "/json", "--ordering-key", ""], "--ordering-key is ''"),
        (["api", "/json", "--ordering-key", "k" * 10_000_000], "--ordering-key is"),
        (["api", "/json", "--run-at", "2030-01-01T12:00:00"], "has no time zone"),
        (["api", "/json", "--run-at", "1h", "--delay", "1h"], "expected either --run-at or --delay"),
        (["api", "/json", "--expires-at", "soon"], "is neither a time from now"),
        (["api"], "Missing argument"),
    ],
)
def test_bad_input_writes_nothing(migrated: Path, sp00ky: Any, arguments: list[str], said: str) -> None:
    assert said in sp00ky("call", *arguments).complaint(2)
    assert sp00ky("jobs", "list", "--json").json["jobs"] == []


def test_waiting_runs_the_job_of_an_embedded_store(migrated: Path, sp00ky: Any) -> None:
    waited = sp00ky("call", "api", "/json", "--wait", "--json")
    assert waited.code == 0
    assert (waited.json["status"], waited.json["retries"]) == ("success", 0)
    assert sp00ky("jobs", "get", waited.json["id"], "--json").json == waited.json


def test_waiting_for_a_failure_exits_1(migrated: Path, sp00ky: Any) -> None:
    waited = sp00ky("call", "api", "/fails", "--max-retries", "1", "--wait")
    assert waited.code == 1
    assert "status: failed" in waited.out
    assert re.search(r"attempt 2: http_status 500: .* \(waited [\d.e-]+ s, took [\d.e-]+ s\)", waited.out)


def test_what_was_delivered_says_how_long_it_waited_and_took(migrated: Path, sp00ky: Any) -> None:
    waited = sp00ky("call", "api", "/json", "--wait")
    assert re.search(r"attempt 1: delivered \(waited [\d.e-]+ s, took [\d.e-]+ s\)", waited.out)


def test_a_job_that_ends_with_the_command_is_said(project: Path, sp00ky: Any) -> None:
    assert "--wait" in sp00ky("call", "api", "/json", "--store", "memory://").complaint(0)


def test_without_a_transport_waiting_enqueues_nothing(
    migrated: Path, sp00ky: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_transport() -> Any:
        return load_plugins(point for point in entry_points(group=GROUP) if "transport" not in point.name)

    monkeypatch.setattr("sp00ky_core.plugins.registry.load_plugins", without_transport)
    for command in (["call", "api", "/json", "--wait"], ["run"]):
        assert "pip install ./sp00ky_transport_http" in sp00ky(*command).complaint(2)
    assert sp00ky("jobs", "list", "--json").json["jobs"] == []
    finding = sp00ky("check", "--json").json["findings"][0]
    assert finding["severity"] == "warning"
    assert "pip install ./sp00ky_transport_http" in finding["fix"]


TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
FILE = {"type": "object", "properties": {"file": {**TEXT, "format": "binary"}}, "additionalProperties": False}


def parameter(name: str, place: str, schema: Any, **others: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": schema, **others}


def body(**schemas: Any) -> dict[str, Any]:
    kinds = {name.replace("_", "/"): {"schema": schema} for name, schema in schemas.items()}
    return {"requestBody": {"content": kinds}}


DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "api", "version": "1"},
    "paths": {
        "/json/{id}": {
            "parameters": [
                parameter("id", "path", NUMBER),
                parameter("tag", "query", {"type": "array", "items": NUMBER}, explode=False),
                parameter("sure", "query", {"type": "boolean"}),
                parameter("name", "query", TEXT),
                parameter("X-At", "header", TEXT),
                parameter("name", "cookie", TEXT),
            ],
            "put": {"operationId": "replace", **body(application_json={"type": "object"})},
            "delete": {},
        },
        "/notes": {"post": body(text_plain=TEXT, application_json={}, **{"image_*": {}})},
        "/json": {"put": {"operationId": "upload", **body(**{"multipart_form-data": FILE})}},
    },
}


@pytest.fixture
def contract(project: Path) -> Contract:
    (project / "openapi.json").write_text(json.dumps(DOCUMENT))
    return load_backends(load_config(project / "sp00ky.yml"), frozenset({"linear"}))["api"].contract


@pytest.mark.usefixtures("contract")
def test_a_call_is_sent_where_its_parts_belong(sp00ky: Cli, misbehaving: MisbehavingBackend) -> None:
    assert sp00ky("migrate").code == 0
    called = sp00ky("call", "api", "upload", "--body", '{"file": "Y2F0"}', "--wait", "--json")
    assert (called.json["path"], called.json["status"]) == ("/json", "success")
    request = misbehaving.requests[-1]
    assert (request.method, b"\r\n\r\ncat\r\n" in request.body) == ("PUT", True)
    refused = sp00ky("call", "api", "upload", "{}", "--body", "{}")
    assert "give PAYLOAD, or --param, --body and --content-type, not both" in refused.complaint(2)
    unclear = sp00ky("call", "api", "/json/{id}", "--param", "id=1")
    assert "name one: 'PUT /json/{id}', 'DELETE /json/{id}'" in unclear.complaint(2)
    assert "--body /fil: unknown property" in sp00ky(
        "call", "api", "upload", "--body", '{"fil": "Y2F0"}'
    ).complaint(2)


PARTS = """
openapi: 3.1.0
info: {title: t, version: "1"}
paths:
  /x/{id}:
    parameters: [{in: path, name: id, required: true}, {in: header, name: X-Key}]
    post:
      parameters: [{in: query, name: dry_run, schema: {type: boolean}}]
      requestBody:
        content:
          application/json: {schema: {properties: {x: {type: integer}}}}
          multipart/form-data: {schema: {type: object}}
          text/plain: {}
"""
OTHERS = "for another, give --content-type multipart/form-data or text/plain"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--param", "dry_run"], "--param dry_run: write NAME=VALUE; see:"),
        (["--param", "dry=1"], "--param dry: /x/{id} has no parameter 'dry'; did you mean 'dry_run'?"),
        (["--param", "dry_run=maybe"], '--param dry_run: the value is not of type "boolean"'),
        (["--param", "x=1"], "--param x: it belongs to the body; use --body '{\"x\": ...}'"),
        (["--param", "X-Key=1"], "--param X-Key: it is filled from the backend's `auth`"),
        (["--body", "{}"], "--param id: it is missing"),
        (["--param", "id=1", "--body", '{"x": "a"}'], '--body /x: the value is not of type "integer"'),
        (["--param", "id=1", "--body", '{"x": "a"}'], f"it is sent as application/json; {OTHERS}"),
        (["--body", "text"], "--body: "),
        (["--body", "text"], f"it is sent as application/json; {OTHERS}"),
        (
            ["--body", "text", "--content-type", "multipart/form-data"],
            "--body is a JSON object of its fields",
        ),
        (
            ["--param", "id=1", "--body", "a", "--content-type", "a/b"],
            "--content-type: expected a media type",
        ),
    ],
)
def test_what_was_typed_is_named(migrated: Path, sp00ky: Any, arguments: list[str], said: str) -> None:
    (migrated / "openapi.json").write_text(PARTS)
    file = migrated / "sp00ky.yml"
    file.write_text(file.read_text().replace("{type: token,", "{type: apiKey, name: X-Key,"))
    complaint = sp00ky("call", "api", "/x/{id}", *arguments).complaint(2)
    assert said in complaint
    assert "/$" not in complaint
