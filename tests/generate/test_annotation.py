from typing import Any

import pytest

from sp00ky_generate.annotation import MOST_VALUES, Annotations, Names, title

DEFINITIONS = {
    "0": {"type": "object", "properties": {"next": {"$ref": "#/$defs/0"}}},
    "1": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/1"}}, {"type": "string"}]},
    "2": {"type": "string"},
}
PLACES = {"0": "#/components/schemas/Node", "1": "#/components/schemas/tree", "2": "#/components/schemas/Id"}


def annotation(schema: Any) -> tuple[str, str]:
    annotations = Annotations(DEFINITIONS, PLACES, Names())
    found = annotations.of(schema, "Thing")
    annotations.finish()
    return found, "".join(annotations.statements)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (True, "Any"),
        ({}, "Any"),
        ({"type": "string"}, "str"),
        ({"type": "string", "format": "date-time"}, "str | datetime"),
        ({"type": "string", "format": "date"}, "str | date"),
        ({"type": "string", "format": "uuid"}, "str | UUID"),
        ({"type": "string", "format": ["uuid"]}, "str"),
        ({"type": "integer"}, "int"),
        ({"type": "number"}, "float"),
        ({"type": ["boolean", "null"]}, "bool | None"),
        ({"type": "thing"}, "Any"),
        ({"type": ["string", "thing"]}, "Any"),
        ({"type": "array", "items": {"type": "string"}}, "Sequence[str]"),
        ({"type": "array"}, "Sequence[Any]"),
        ({"type": "array", "prefixItems": [{"type": "string"}]}, "Sequence[Any]"),
        ({"type": "object"}, "Mapping[str, Any]"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "Mapping[str, int]"),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": {}}, "Mapping[str, Any]"),
        ({"const": "a'b"}, 'Literal["a\'b"]'),
        ({"enum": ["a", 1, True, None, 1]}, "Literal['a', 1, True, None]"),
        ({"enum": [0.5, 1]}, "Literal[1] | float"),
        ({"enum": [0.5]}, "float"),
        ({"enum": ["a", ["b"]]}, "Any"),
        ({"enum": ["\ud800"]}, "Any"),
        ({"enum": ["\u202e"]}, "Literal['\\u202e']"),
        ({"enum": [str(n) for n in range(MOST_VALUES + 1)]}, "str"),
        ({"type": "string", "enum": [["a"]]}, "str"),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, "str | int"),
        ({"anyOf": [{"type": "string"}, {}]}, "Any"),
        ({"type": "string", "anyOf": [{"pattern": "a"}, {"pattern": "b"}]}, "str"),
        ({"allOf": [{}, {"type": "string"}]}, "str"),
        ({"if": {"type": "null"}, "else": {"$ref": "#/$defs/2"}}, "str | None"),
        ({"if": {"type": "string"}, "else": {"type": "integer"}}, "Any"),
        ({"not": {"type": "string"}}, "Any"),
    ],
)
def test_a_schema_has_a_type(schema: Any, expected: str) -> None:
    assert annotation(schema) == (expected, "")


def test_an_object_gets_a_class() -> None:
    inner = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    found, statements = annotation({"type": ["object", "null"], "properties": {"inner": inner}})
    assert found == "Thing | None"
    assert statements == (
        "class Thing(TypedDict):\n    inner: NotRequired[ThingInner]\n"
        "class ThingInner(TypedDict):\n    id: str\n"
    )


def test_a_definition_keeps_its_name_and_may_contain_itself() -> None:
    found, statements = annotation({"type": "array", "items": {"$ref": "#/$defs/0"}})
    assert (found, statements) == ("Sequence[Node]", "class Node(TypedDict):\n    next: NotRequired[Node]\n")
    found, statements = annotation({"$ref": "#/$defs/1"})
    assert (found, statements) == ("Tree", "Tree: TypeAlias = 'Sequence[Any] | str'\n")


@pytest.mark.timeout(20)
def test_a_definition_may_contain_itself_by_an_all_of() -> None:
    node = {"type": "object", "properties": {"next": {"allOf": [{"$ref": "#/$defs/0"}], "nullable": True}}}
    annotations = Annotations({"0": node}, PLACES, Names())
    assert annotations.of({"$ref": "#/$defs/0"}, "Thing") == "Node"
    annotations.finish()
    assert annotations.statements == ["class Node(TypedDict):\n    next: NotRequired[Node]\n"]


def test_several_shapes_have_one_name() -> None:
    one = {"type": "object", "properties": {"a": {}}, "required": ["a"]}
    found, statements = annotation({"type": "object", "oneOf": [one, {**one, "properties": {"b": {}}}]})
    assert found == "Thing"
    assert statements.startswith("Thing: TypeAlias = 'Thing1 | Thing2'\n")


def test_the_first_free_name_is_taken() -> None:
    names = Names({"Any"}, separator="_")
    assert [names.unique("Any", "Other") for _ in range(3)] == ["Other", "Other_2", "Other_3"]
    assert Names({"Any"}).unique("Any") == "Any2"


def test_a_stem_is_numbered_until_all_that_is_made_of_it_is_free() -> None:
    names = Names({"Api2Calls"})
    stems = [names.stem(name, "{}Calls", "Sync{}Calls") for name in ("SyncApi", "Api", "Api")]
    assert stems == ["SyncApi", "Api3", "Api4"]
    assert names.unique("SyncApi4Calls") == "SyncApi4Calls2"


@pytest.mark.parametrize(
    ("place", "called"),
    [
        ("#/components/schemas/Pet", "Pet"),
        ("#/components/schemas/Pet/properties/tags/items", "Pet tags"),
        ("#/components/responses/Campaigns/content/application~1json/schema", "Campaigns"),
        ("#/components/parameters/page%20size/schema", "page size"),
        ("#/definitions/Pet", "Pet"),
        ("buckslip.yml#", "buckslip"),
        ("campaigns.yml#/content/application~1json/schema", "campaigns"),
        ("models.yml#/Buckslip", "Buckslip"),
        ("models.yml#/components/schemas/Buckslip", "Buckslip"),
        ("#/paths/~1x/post/requestBody/content/application~1json/schema", ""),
        ("x.yml#/post/responses/200/content/application~1json/schema", ""),
        ("", ""),
    ],
)
def test_a_schema_is_called_what_its_component_or_its_file_is(place: str, called: str) -> None:
    assert title(place) == called
