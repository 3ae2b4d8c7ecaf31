"""An operation takes the explicit form where no flat payload could say what goes where."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.openapi.small import load

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}


@pytest.mark.parametrize(
    ("parameter", "declared", "form"),
    [
        (TEXT, TEXT, "flat"),
        (TEXT, NUMBER, "explicit"),
        (NUMBER, {"type": "number"}, "flat"),
        (TEXT, {"type": ["integer", "string"]}, "flat"),
        ({"type": "string", "nullable": True}, {"type": "integer", "nullable": True}, "explicit"),
        (TEXT, {"anyOf": [NUMBER, {"type": "boolean"}]}, "explicit"),
        (TEXT, {"oneOf": [NUMBER, {"allOf": [TEXT, {}]}]}, "flat"),
        (TEXT, {"$ref": "#/components/schemas/Deep"}, "explicit"),
        (TEXT, {}, "flat"),
        (TEXT, {"const": 1}, "explicit"),
        ({"enum": ["a", "b"]}, {"enum": ["b", "c"]}, "flat"),
        ({"enum": ["a", "b"]}, {"enum": ["c"]}, "explicit"),
        (TEXT, {"$ref": "#/components/schemas/Circle"}, "flat"),
    ],
)
def test_a_name_in_two_places_needs_a_value_that_fits_both(
    tmp_path: Path, parameter: Any, declared: Any, form: str
) -> None:
    for schema in ({"properties": {"n": declared}}, {"allOf": [{"properties": {"n": declared}}]}):
        operation = {
            "parameters": [{"in": "query", "name": "n", "schema": parameter}],
            "requestBody": {"content": {"application/json": {"schema": schema}}},
        }
        schemas = {
            "Deep": {"allOf": [{"$ref": "#/components/schemas/Number"}]},
            "Number": NUMBER,
            "Circle": {"anyOf": [{"$ref": "#/components/schemas/Circle"}, NUMBER]},
        }
        document = {
            "openapi": "3.0.3",
            "paths": {"/x": {"post": operation}},
            "components": {"schemas": schemas},
        }
        (tmp_path / "openapi.json").write_text(json.dumps(document))
        found = load(tmp_path / "openapi.json").operations["/x"]
        assert (found.form, bool(found.reason)) == (form, form == "explicit")
