"""Payloads that are made of ``--param`` and ``--body``, and one such call from the shell to the backend."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.core.cli.conftest import Cli

from sp00ky_conformance import MisbehavingBackend
from sp00ky_core.backend.backend import load_backends
from sp00ky_core.config import load_config
from sp00ky_core.contract import Contract

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
