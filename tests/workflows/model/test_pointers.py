"""References in payloads."""

from typing import Any

import pytest

from sp00ky_workflows.model.pointers import PointerUnmatched, reference, resolved, sources

VALUES = {"a": {"id": 7, "list": [{"x/y": "deep"}]}, "input": None, "": "item"}


@pytest.mark.parametrize(
    ("value", "gives"),
    [
        (reference("a", "/id"), 7),
        (reference("a"), VALUES["a"]),
        ({"x": [reference("a", "/list/0/x~1y"), 1]}, {"x": ["deep", 1]}),
        (reference("input"), None),
        (reference(""), "item"),
        ({"$from": "a", "more": 1}, {"$from": "a", "more": 1}),
        ({"$from": 1}, {"$from": 1}),
    ],
)
def test_a_reference_is_replaced(value: Any, gives: Any) -> None:
    assert resolved(value, VALUES) == gives


@pytest.mark.parametrize("text", ["a/none", "a/list/1", "a/list/x", "a/id/deeper", "b", "input/x"])
def test_one_that_leads_to_nothing_says_so(text: str) -> None:
    with pytest.raises(PointerUnmatched, match=repr(text)):
        resolved({"$from": text}, VALUES)


def test_what_references_are_to_is_found_wherever_they_stand() -> None:
    assert [*sources({"x": [reference("a", "/id")], "y": (reference(""),), "z": "a"})] == ["a", ""]
    with pytest.raises(ValueError, match="begin with /"):
        reference("a", "id")


def test_a_result_is_never_read_for_references() -> None:
    assert resolved(reference("a"), {"a": {"$from": "input"}}) == {"$from": "input"}
