"""The value of a YAML document: keys as text where they are wanted so, merges, and places in problems."""

import math
from typing import Any

import pytest

from sp00ky_openapi.yaml_text import YamlProblem, parse_yaml


@pytest.mark.parametrize(
    ("text", "keys"),
    [("200: x", ["200"]), ("null: x", ["null"]), ("TRUE: x", ["true"]), ("1.5: x", ["1.5"]), ("a: x", ["a"])],
)
def test_keys_may_be_texts(text: str, keys: list[str]) -> None:
    assert list(parse_yaml(text, text_keys=True)) == keys


def test_keys_keep_their_types_otherwise() -> None:
    assert parse_yaml("{200: a, true: b, null: c}") == {200: "a", True: "b", None: "c"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: {c: 1, c: 2}", r"the key 'c' is there twice \(line 2, column 11\)"),
        ("a: !!int x", r"no such number|no valid YAML"),
        ("a:\n  b: !mine x", r"line 2, column 6\): the tag '!mine' is unknown"),
        ("<<: 1", "only mappings can stand under '<<'"),
        ("a: \x07", r"U\+0007 is not allowed"),
        ("1: a\n'1': b", "the key '1' is there twice"),
    ],
)
def test_a_problem_says_where(text: str, says: str) -> None:
    with pytest.raises(YamlProblem, match=says):
        parse_yaml(text, text_keys=True)


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
