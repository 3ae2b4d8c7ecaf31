"""What real documents have in them, each in a small one: it is read as the field's tools read it."""

from pathlib import Path
from typing import Any

import pytest
from tests.core.contract.small import PETS, contract_of, field, load, pointers


@pytest.mark.parametrize(
    "schema",
    [
        field({"$ref": "#/$defs/Name"}) | {"$defs": {"Name": {"type": "string"}}},
        field({"items": {"$ref": "#/definitions/Name"}}) | {"definitions": {"Name": {"type": "string"}}},
        field({"$ref": "#name"}) | {"$defs": {"Name": {"$anchor": "name", "type": "string"}}},
        field({"$ref": "https://x.test/name"})
        | {"$defs": {"N": {"$id": "https://x.test/name", "type": "string"}}},
        field({"$ref": "#/components/schemas/Of~1what%20/properties/a"}),
        {"properties": {"$ref": "#/components/schemas/Of~1what /properties"}},
        {"allOf": [{"$ref": "#/components/schemas/Of~1what%20"}]},
        {"patternProperties": {"^a": {"type": "string"}, "^b": None}},
    ],
)
def test_references_are_followed_wherever_they_stand(tmp_path: Path, schema: Any) -> None:
    named = {"Of/what ": field({"type": "string"}) | {"title": "a slash and a space"}}
    found = pointers(tmp_path, schema, {"a": 1 if "items" not in str(schema) else [1]}, **named)
    assert [pointer.removesuffix("/0") for pointer in found] == ["/a"]
    assert pointers(tmp_path, schema, {"a": "x" if "items" not in str(schema) else ["x"]}, **named) == []


def test_a_name_of_the_document_wins_over_one_inside_the_schema(tmp_path: Path) -> None:
    inner = {"$ref": "#/components/schemas/Cat"}
    schema = field(inner) | {"components": {"schemas": {"Cat": {"type": "string"}}}}
    assert pointers(tmp_path, schema, {"a": {"kind": "x"}}, **PETS) == []


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_schemas_that_contain_themselves_end(tmp_path: Path, keyword: str) -> None:
    tree = {keyword: [{"$ref": "#/components/schemas/Tree"}, field({"$ref": "#/components/schemas/Tree"})]}
    contract = contract_of(tmp_path, {"$ref": "#/components/schemas/Tree"}, Tree=tree)
    assert isinstance(contract.violations("/x", {"a": {"a": {}}}), list)


def test_yaml_of_real_documents_is_read(tmp_path: Path) -> None:
    (tmp_path / "openapi.yml").write_text(
        """\
openapi: 3.0.0
x-common: &common {type: object, required: [at]}
info: {version: 2024-01-01, title: on}
paths:
  /x:
    post:
      responses: {200: {description: ok}, 4XX: {description: no}}
      requestBody:
        content:
          application/json:
            schema:
              <<: *common
              properties:
                at: {type: string, enum: [2024-01-01, 0o17, 010, 1:30, yes]}
                007: {type: string}
                empty:
"""
    )
    contract = load(tmp_path / "openapi.yml")
    assert contract.violations("/x", {"at": "2024-01-01", "empty": 1}) == []
    assert contract.violations("/x", {"at": "1:30"}) == []
    assert [each.pointer for each in contract.violations("/x", {"at": "no", "7": 1})] == ["/7", "/at"]
    assert [each.pointer for each in contract.violations("/x", {})] == ["/at"]
