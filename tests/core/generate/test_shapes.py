from __future__ import annotations

from typing import Any

import pytest

from sp00ky_core.generate.shapes import MOST_VARIANTS, Shapes

A: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
B: dict[str, Any] = {"type": "object", "properties": {"b": {}}}
LOOP = {"allOf": [{"$ref": "#/$defs/loop"}, A]}
SHAPES = Shapes({"a": A, "loop": LOOP, "anything": True})


def keys(schema: Any) -> list[tuple[list[str], list[str]]] | None:
    shapes = SHAPES.of(schema)
    return None if shapes is None else [(sorted(each.properties), sorted(each.required)) for each in shapes]


def test_the_parts_of_an_object_are_joined() -> None:
    assert keys({"allOf": [{"$ref": "#/$defs/a"}, B]}) == [(["a", "b"], ["a"])]
    assert keys({**B, "required": ["b", "c"]}) == [(["b"], ["b", "c"])]
    assert keys({"type": "object", "additionalProperties": False}) == [([], [])]


def test_alternatives_are_shapes_of_their_own() -> None:
    assert keys({"oneOf": [A, B]}) == [(["a"], ["a"]), (["b"], [])]
    assert keys({**B, "oneOf": [A, {"type": "null"}]}) == [(["a", "b"], ["a"])]
    assert keys({"anyOf": [A, B]}) == [(["a", "b"], ["a"]), (["a", "b"], [])]  # it may fit both


def test_a_choice_by_a_discriminator_is_one_among_alternatives() -> None:
    chosen = {
        "if": {"type": "object", "required": ["kind"]},
        "then": {"allOf": [{}]},
        "else": {"oneOf": [A, B]},
    }
    assert keys({"allOf": [chosen]}) == [(["a"], ["a"]), (["b"], [])]
    assert keys({"if": {"type": "null"}, "else": A}) == [(["a"], ["a"])]


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"type": "object"},
        {"type": "string"},
        {**A, "additionalProperties": True},
        {**A, "additionalProperties": {"type": "string"}},
        {**A, "patternProperties": {"^x-": {}}},
        {**A, "if": {"required": ["a"]}, "then": B},
        {"allOf": [A, {"type": "object", "additionalProperties": True}]},
        {"oneOf": [A, {"type": "object"}]},
        {"oneOf": [{**A, "properties": {str(n): {}}} for n in range(MOST_VARIANTS + 2)]},
        {"properties": {"\ud800": {}}},
        {"properties": {"": {}}},
        LOOP,
    ],
)
def test_an_object_of_unknown_keys_has_no_shape(schema: Any) -> None:
    assert keys(schema) is None
