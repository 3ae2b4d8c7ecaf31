"""The value of a YAML document: keys as text where they are wanted so, merges, and places in problems."""

from typing import Any

import pytest

from sp00ky_core.encoding.yaml_constructor import YamlProblem, yaml_value


@pytest.mark.parametrize(
    ("text", "keys"),
    [("200: x", ["200"]), ("null: x", ["null"]), ("TRUE: x", ["true"]), ("1.5: x", ["1.5"]), ("a: x", ["a"])],
)
def test_keys_may_be_texts(text: str, keys: list[str]) -> None:
    assert list(yaml_value(text, text_keys=True)) == keys


def test_keys_keep_their_types_otherwise() -> None:
    assert yaml_value("{200: a, true: b, null: c}") == {200: "a", True: "b", None: "c"}


@pytest.mark.parametrize(
    ("merge", "found"),
    [
        ("<<: *a, x: 2", {"x": 2, "y": 1}),
        ("x: 2, <<: *a", {"x": 2, "y": 1}),
        ("<<: [*a, *b]", {"x": 1, "y": 1, "z": 3}),
        ("<<: [*b, *a]", {"x": 3, "y": 1, "z": 3}),
    ],
)
def test_what_is_merged_counts_where_nothing_else_says(merge: str, found: dict[str, Any]) -> None:
    text = f"a: &a {{x: 1, y: 1}}\nb: &b {{x: 3, z: 3}}\nc: {{{merge}}}"
    assert yaml_value(text)["c"] == found


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
        yaml_value(text, text_keys=True)
