"""YAML 1.2's core schema, as people expect it."""

import math
from typing import Any

import pytest

from sp00ky_core.encoding.yaml_text import YamlProblem, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("true", True), ("False", False), ("TRUE", True), ("yes", "yes"), ("on", "on"), ("n", "n")],
        *[
            ("~", None),
            ("null", None),
            ("", None),
            ("10", 10),
            ("-3", -3),
            ("+3", 3),
            ("010", 10),
            ("0o17", 15),
        ],
        *[("0x1F", 31), ("1:30", "1:30"), ("1_000", "1_000"), ("0b1", "0b1"), ("1e3", 1000.0), ("1.", 1.0)],
        *[
            (".5", 0.5),
            ("-.inf", -math.inf),
            ("1e", "1e"),
            ("2024-01-01", "2024-01-01"),
            ("=", "="),
            (".", "."),
        ],
        *[("'true'", "true"), ("!!str 5", "5"), ("!!int '5'", 5), ("+.INF", math.inf)],
        ("base: &a {x: 1, y: 2}\nmore: {<<: *a, y: 3}", {"base": {"x": 1, "y": 2}, "more": {"x": 1, "y": 3}}),
        ('{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
        ("{a: 1, b: [x]}", {"a": 1, "b": ["x"]}),
        ('{\n\t"a": 1}', {"a": 1}),
    ],
)
def test_values(text: str, value: Any) -> None:
    found = parse_yaml(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *[
            "a: 1\na: 2",
            '{"a": 1, "a": 2}',
            "x: {a: 1, b: 2, a: 3}",
            "- {a: 1, a: 1}",
            "{[a]: 1}",
            "a: *nope",
        ],
        *[
            "!!int x",
            "!!float x",
            "!!timestamp 2024-01-01",
            "!!binary aGk=",
            "!!set {a}",
            "&a [&b [*a]]",
            "a\n---\nb",
        ],
        *["a: 1" + "0" * 5_000, "[" * 400 + "]" * 400 + "]"],
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(YamlProblem) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)
