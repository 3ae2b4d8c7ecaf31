"""The parts of a payload on the command line, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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
