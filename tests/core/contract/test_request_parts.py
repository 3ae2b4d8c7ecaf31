"""What a payload holds stays where it belongs, or is refused where it is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.contract.small import parts

from sp00ky_core.contract import Operation, Parameter, PartsRefused, request_parts


@pytest.mark.parametrize("place", ["path", "query", "header", "cookie"])
@pytest.mark.parametrize(
    ("value", "pointer"),
    [([], ""), ({}, ""), ([None], ""), (None, ""), ([1, [2]], "/1"), ({"a/b": {}}, "/a~1b"), ([{}], "/0")],
)
def test_what_can_not_be_written_is_refused_where_it_is(place: Any, value: Any, pointer: str) -> None:
    with pytest.raises(PartsRefused) as caught:
        parts(place, value, required=True)
    assert [violation.pointer for violation in caught.value.violations] == [f"/color{pointer}"]


@pytest.mark.parametrize("style", ["simple", "label", "matrix"])
@given(value=st.text() | st.lists(st.text(), max_size=3) | st.dictionaries(st.text(), st.text(), max_size=2))
def test_a_path_s_value_stays_one_segment(style: str, value: Any) -> None:
    for explode in (False, True):
        try:
            path = parts("path", value, name="x", required=True, style=style, explode=explode).path
        except PartsRefused:
            continue
        assert path.count("/") == 1
        assert path.isascii()
        assert not {"?", "#", " ", "\\"} & set(path)
        assert path not in {"/.", "/..", "/"}


@given(value=st.text(), name=st.text(min_size=1))
def test_a_query_s_value_adds_no_parameter(value: str, name: str) -> None:
    for reserved in (False, True):
        try:
            query = parts("query", value, name=name, allow_reserved=reserved).query
        except PartsRefused:
            continue
        assert "&" not in query
        assert "#" not in query


@pytest.mark.parametrize(
    ("place", "options"),
    [
        ("query", {"style": "pipeDelimited", "explode": False}),
        ("query", {"style": "tabDelimited", "explode": False}),
        ("query", {"explode": False, "allow_reserved": True}),
        ("header", {}),
    ],
)
def test_an_item_that_would_be_taken_for_two_is_refused(place: Any, options: Any) -> None:
    for value in (["a", "b|c,d\te"], {"a": "b|c,d\te"}):
        with pytest.raises(PartsRefused) as caught:
            parts(place, value, **options)
        assert [violation.pointer for violation in caught.value.violations] == ["/color"]
    assert parts("query", ["a|b,c", "d e"], style="spaceDelimited", explode=False).query


def test_what_would_be_taken_for_something_else_is_refused() -> None:
    with pytest.raises(PartsRefused) as caught:
        parts("header", ["a", "b,c"])
    assert [violation.pointer for violation in caught.value.violations] == ["/color"]
    operation = Operation(
        path="/x",
        parameters=(Parameter(place="query", name="e"), Parameter(place="query", name="p")),
        credentials=frozenset({("query", "key")}),
    )
    for name in ("p", "key"):
        with pytest.raises(PartsRefused) as caught:
            request_parts(operation, {"e": {name: "x"}}, new_boundary=str)
        assert [violation.pointer for violation in caught.value.violations] == [f"/e/{name}"]
