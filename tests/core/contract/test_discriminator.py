"""A discriminator chooses among the schemas of an alternative."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.core.contract.small import CAT, DOG, PETS, field, pointers

from sp00ky_core.contract.discriminator import alternatives

BOTH = [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}]


def constant(schema: dict[str, Any], **kind: Any) -> dict[str, Any]:
    return schema | {"properties": schema["properties"] | {"kind": kind}}


@pytest.mark.parametrize("keyword", ["oneOf", "anyOf"])
@pytest.mark.parametrize(
    ("discriminator", "schemas"),
    [
        ({"mapping": {"c": "#/components/schemas/Cat", "d": "Dog"}}, PETS),
        ({}, {"Cat": constant(CAT, const="c"), "Dog": constant(DOG, enum=["d", "D"])}),
        (
            {"mapping": {"c": "#/components/schemas/Cat", "d": "#/components/schemas/Dog"}},
            {"Cat": constant(CAT, enum=["c", "d"]), "Dog": constant(DOG, enum=["c", "d"])},
        ),
        ({}, {"Cat": {"allOf": [constant(CAT, const="c")]}, "Dog": {"anyOf": [constant(DOG, const="d")]}}),
        (
            {},
            {
                "Cat": constant(CAT, anyOf=[{"enum": ["c"]}, {"type": "null"}]),
                "Dog": constant(DOG, oneOf=[{"const": "d"}, {"const": "D"}]),
            },
        ),
    ],
)
def test_a_discriminator_chooses_the_schema(
    tmp_path: Path, keyword: str, discriminator: dict[str, Any], schemas: dict[str, Any]
) -> None:
    schema = field({keyword: BOTH, "discriminator": {"propertyName": "kind", **discriminator}})
    for payload, expected in [
        ({"kind": "c", "name": "x"}, []),
        ({"kind": "d", "name": "x"}, []),
        ({"kind": "c", "lives": True}, ["/a/lives"]),
        ({"kind": "d", "lives": True}, []),
        ({"kind": "e"}, ["/a/kind"]),
        ({"name": "x"}, ["/a/kind"]),
    ]:
        assert pointers(tmp_path, schema, {"a": payload}, **schemas) == expected, payload
    assert pointers(tmp_path, schema, {"a": 1}, **schemas) == ["/a"]


def test_a_discriminator_without_a_mapping_goes_by_the_schemas_names(tmp_path: Path) -> None:
    schema = field({"oneOf": BOTH, "discriminator": {"propertyName": "kind"}})
    assert pointers(tmp_path, schema, {"a": {"kind": "Cat", "lives": 9}}, **PETS) == []
    assert pointers(tmp_path, schema, {"a": {"kind": "Dog", "lives": 9}}, **PETS) == ["/a/lives"]
    assert pointers(tmp_path, schema, {"a": {"kind": "Bird"}}, **PETS) == ["/a/kind"]


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("#/components/schemas/com.acme.Cat", "com.acme.Cat"),
        ("#/components/schemas/Foo%20Cat", "Foo Cat"),
        ("#/components/schemas/cats~1Tom~0", "cats/Tom~"),
        ("pets.json#/com.acme.Cat", "com.acme.Cat"),
        ("Foo%20Cat.json", "Foo Cat"),
        ("./Cat.schema.json#", "Cat"),
    ],
)
def test_a_name_is_the_last_step_of_a_pointer_or_of_a_file(tmp_path: Path, reference: str, name: str) -> None:
    (tmp_path / "pets.json").write_text(json.dumps({name: CAT}))
    for file in ("Foo Cat.json", "Cat.schema.json"):
        (tmp_path / file).write_text(json.dumps(CAT))
    union = [{"$ref": reference}, BOTH[1]]
    schema = field({"oneOf": union, "discriminator": {"propertyName": "kind"}})
    pets = {name: CAT, "Dog": DOG}
    assert pointers(tmp_path, schema, {"a": {"kind": name, "lives": 9}}, **pets) == []
    assert pointers(tmp_path, schema, {"a": {"kind": name, "lives": True}}, **pets) == ["/a/lives"]


def test_a_schema_whose_value_is_not_known_is_tried_for_the_others(tmp_path: Path) -> None:
    inline = {"type": "object", "required": ["wings"], "properties": {"wings": {"type": "integer"}}}
    mapping = {"c": "#/components/schemas/Cat"}
    union = [BOTH[0], inline, {"type": "null"}]
    schema = field({"oneOf": union, "discriminator": {"propertyName": "kind", "mapping": mapping}})
    assert pointers(tmp_path, schema, {"a": {"kind": "c", "lives": 9}}, **PETS) == []
    assert pointers(tmp_path, schema, {"a": {"kind": "bird", "wings": 2}}, **PETS) == []
    assert pointers(tmp_path, schema, {"a": {"kind": "bird"}}, **PETS) == ["/a"]
    assert pointers(tmp_path, schema, {"a": {"wings": 2}}, **PETS) == []
    assert pointers(tmp_path, schema, {"a": None}, **PETS) == []


@pytest.mark.parametrize("keyword", ["oneOf", "anyOf"])
@pytest.mark.parametrize("default", ["Dog", "#/components/schemas/Dog", "#/components/schemas/Hound"])
def test_the_default_mapping_takes_what_belongs_to_none(tmp_path: Path, keyword: str, default: str) -> None:
    pets = {"Cat": CAT, "Dog": DOG | {"required": ["name"]}, "Hound": {"$ref": BOTH[1]["$ref"]}}
    discriminator = {"propertyName": "kind", "defaultMapping": default}
    schema = field(
        {keyword: [BOTH[0], {"$ref": "#/components/schemas/Hound"}], "discriminator": discriminator}
    )
    for payload, expected in [
        ({"kind": "Cat", "lives": True}, ["/a/lives"]),
        ({"kind": "bird", "name": "x", "lives": True}, []),
        ({"kind": "bird", "name": "x", "lives": 9}, ["/a/lives"]),
        ({"name": "x", "lives": True}, []),
        ({"name": "x", "lives": 9}, ["/a/lives"]),
    ]:
        assert pointers(tmp_path, schema, {"a": payload}, "3.2.0", **pets) == expected, payload


def test_a_choice_within_a_choice_is_made_by_both(tmp_path: Path) -> None:
    def cat(color: str) -> dict[str, Any]:
        cat = constant(CAT, const="cat")
        return cat | {"properties": cat["properties"] | {"color": {"const": color}}}

    colors = {color: f"#/components/schemas/{color}" for color in ("black", "white")}
    inner = {
        "oneOf": [{"$ref": reference} for reference in colors.values()],
        "discriminator": {"propertyName": "color", "mapping": colors},
    }
    mapping = {"cat": inner, "dog": BOTH[1]["$ref"]}  # as Pydantic has it
    outer = {"oneOf": [inner, BOTH[1]], "discriminator": {"propertyName": "kind", "mapping": mapping}}
    pets = {"black": cat("black"), "white": cat("white"), "Dog": constant(DOG, const="dog")}
    for payload, expected in [
        ({"kind": "cat", "color": "black", "lives": 9}, []),
        ({"kind": "cat", "color": "white", "lives": True}, ["/a/lives"]),
        ({"kind": "cat", "color": "red"}, ["/a/color"]),
        ({"kind": "dog", "lives": True}, []),
    ]:
        assert pointers(tmp_path, field(outer), {"a": payload}, **pets) == expected, payload


def test_values_that_only_python_takes_for_one_stay_apart(tmp_path: Path) -> None:
    schema = field({"oneOf": BOTH, "discriminator": {"propertyName": "kind"}})
    pets = {"Cat": constant(CAT, enum=[1, True, 1]), "Dog": constant(DOG, enum=[0, False])}
    for kind, expected in [(1, []), (True, []), (0, ["/a/lives"]), (False, ["/a/lives"])]:
        assert pointers(tmp_path, schema, {"a": {"kind": kind, "lives": 9}}, **pets) == expected, kind


def test_a_choice_shows_what_it_is_made_among() -> None:
    every = {"oneOf": [{}, {"type": "object"}]}
    choice = {"if": {"type": "object", "required": ["kind"]}, "then": {"allOf": [{}]}, "else": every}
    assert alternatives(choice) == every
    absent = {"if": {"type": "object"}, "then": {"required": ["kind"]}, "else": every}
    assert alternatives({**choice, "else": absent}) == every
    others = (
        {},
        {**choice, "if": {"required": ["kind"]}},
        {**choice, "then": {}},
        {**choice, "else": {"allOf": []}},
    )
    assert [alternatives(other) for other in others] == [None] * 4
