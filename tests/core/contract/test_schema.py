"""What real documents have in them, each in a small one: it is read as the field's tools read it."""

from pathlib import Path
from typing import Any

import pytest
from tests.core.contract.small import PETS, contract_of, field, pointers


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


INT32 = {"type": "integer", "format": "int32"}


INT64 = {"type": "integer", "format": "int64"}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (INT32, [2**31 - 1, -(2**31)], [2**31, -(2**31) - 1]),
        (INT64, [2**63 - 1, -(2**63)], [2**63, -(2**63) - 1, 10**30]),
        (INT32 | {"minimum": 5, "maximum": 2**40}, [5, 2**31 - 1], [4, 2**31]),
        ({"type": "string", "format": "int64"}, ["9" * 30], [1]),
        ({"type": "integer", "format": "uint7"}, [10**30], ["x"]),
    ],
)
def test_formats_of_integers_have_their_range(
    tmp_path: Path, schema: Any, good: list[Any], bad: list[Any]
) -> None:
    for version in ("3.0.3", "3.1.0"):
        contract = contract_of(tmp_path, field(schema), version)
        assert [value for value in good if contract.violations("/x", {"a": value})] == []
        assert [value for value in bad if not contract.violations("/x", {"a": value})] == []


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"minimum": 1, "exclusiveMinimum": True}, 2, 1),
        ({"minimum": 1, "exclusiveMinimum": False}, 1, 0),
        ({"maximum": 1, "exclusiveMaximum": True}, 0, 1),
        ({"exclusiveMinimum": 1}, 2, 1),
        ({"exclusiveMaximum": 1}, 0, 1),
        ({"exclusiveMinimum": True}, -1, None),
        ({"type": "string", "nullable": True}, None, 1),
        ({"enum": ["x"], "nullable": True}, None, "y"),
        ({"$ref": "#/components/schemas/Cat", "nullable": True}, None, {}),
        ({"const": 1, "nullable": True}, None, 2),
        ({"type": ["string", "null"]}, None, 1),
        ({"type": ["string", None]}, None, 1),
        ({"type": None}, None, 1),
        ({"type": "string", "required": True}, "x", 1),
        ({"items": [{"type": "string"}, {"type": "integer"}]}, ["x", 1], [1, 1]),
        ({"oneOf": [], "type": "string"}, "x", 1),
        ({"type": "string", "x-key": {"$ref": "#/gone"}, "example": {"$ref": "gone.yml"}}, "x", 1),
    ],
)
def test_words_of_either_version_are_understood_in_both(
    tmp_path: Path, version: str, schema: Any, good: Any, bad: Any
) -> None:
    assert pointers(tmp_path, field(schema), {"a": good}, version, **PETS) == []
    if bad is not None:
        assert pointers(tmp_path, field(schema), {"a": bad}, version, **PETS) != []


ID = {"properties": {"id": {"type": "string", "readOnly": True}}}


def test_a_property_that_only_an_alternative_has_read_only_is_required(tmp_path: Path) -> None:
    schema = {"required": ["id"], "anyOf": [ID, {"properties": {"id": {"type": "string"}}}]}
    assert pointers(tmp_path, schema, {}) == ["/id"]
