"""What real documents have in them, each in a small one: it is read as the field's tools read it."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.openapi.small import CAT, DOG, PETS, contract_of, field, pointers

from sp00ky_openapi.schema import alternatives


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


@pytest.mark.parametrize("default", [{}, {"defaultMapping": "Cat"}])
@pytest.mark.parametrize("keyword", ["oneOf", "anyOf"])
def test_a_choice_shows_what_it_is_made_among(tmp_path: Path, keyword: str, default: dict[str, str]) -> None:
    schema = {keyword: BOTH, "discriminator": {"propertyName": "kind", **default}}
    contract = contract_of(tmp_path, schema, **PETS)
    operation = contract.operation("/x")
    assert operation is not None
    assert operation.body is not None
    assert operation.body.schema is not None
    schemas = contract.document.schemas
    [choice, *pets] = schemas.bundle({}, [operation.body.schema])["$defs"].values()
    (made,) = choice["allOf"]
    listed = operation.body.schema.listed(keyword)
    assert alternatives(made) == {keyword: [schemas.reference(node.target) for node in listed]}
    assert [alternatives(pet) for pet in pets] == [None, None]
    own = {"if": made["if"], "then": made["then"], "else": made["else"]}
    assert alternatives(own) is None


def chain(twice: Any, length: int = 40) -> dict[str, Any]:
    """Schemas that each are made of the next one."""
    refs = [{"$ref": f"#/components/schemas/S{number}"} for number in range(1, length + 1)]
    return {"S0": {}} | {f"S{number}": twice(ref) for number, ref in enumerate(refs)} | {f"S{length}": {}}


@pytest.mark.parametrize(
    "twice",
    [
        *(lambda ref, word=word: {word: [ref, ref]} for word in ("allOf", "anyOf", "oneOf")),
        lambda ref: {"if": ref, "then": ref},
        lambda ref: {"not": ref, "allOf": [ref]},
        lambda ref: {"dependentSchemas": {"a": ref, "b": ref}},
    ],
)
def test_what_doubles_is_refused_and_not_tried(tmp_path: Path, twice: Any) -> None:
    """Held against a value, it would take for ever."""
    contract = contract_of(tmp_path, field({"$ref": "#/components/schemas/S0"}), **chain(twice))
    contract.compile()
    assert not contract.operations
    assert "one value is to fit more than 50,000 schemas" in contract.unusable["/x"]


def test_long_chains_circles_and_many_alternatives_are_no_such_work(tmp_path: Path) -> None:
    long = chain(lambda ref: {"allOf": [ref], "properties": {"a": ref, "b": ref}}, 2_000)
    circle = {"anyOf": [{"$ref": "#/components/schemas/Circle"}, {"type": "string"}]}
    many = {"anyOf": [{"const": number} for number in range(10_000)]}
    schema = field({"anyOf": [{"$ref": "#/components/schemas/S0"}, circle, many]})
    contract = contract_of(tmp_path, schema, Circle=circle, **long)
    contract.compile()
    assert list(contract.operations) == ["/x"]
