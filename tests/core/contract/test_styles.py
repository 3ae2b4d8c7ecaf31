"""Values are written as OpenAPI's own table of styles has it, and so that a server reads the same again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sp00ky_core.contract import Body, Operation, Parameter, PartsRefused, RequestParts, request_parts

TEXT, LIST, OBJECT = "blue", ["blue", "black", "brown"], {"R": 100, "G": 200, "B": 150}

TABLE = [  # https://spec.openapis.org/oas/v3.1.1.html#style-examples, escaped as they are in a URL
    ("matrix", False, ";color=blue", ";color=blue,black,brown", ";color=R,100,G,200,B,150"),
    ("matrix", True, ";color=blue", ";color=blue;color=black;color=brown", ";R=100;G=200;B=150"),
    ("label", False, ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
    ("label", True, ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
    ("simple", False, "blue", "blue,black,brown", "R,100,G,200,B,150"),
    ("simple", True, "blue", "blue,black,brown", "R=100,G=200,B=150"),
    ("form", False, "color=blue", "color=blue,black,brown", "color=R,100,G,200,B,150"),
    ("form", True, "color=blue", "color=blue&color=black&color=brown", "R=100&G=200&B=150"),
    ("spaceDelimited", False, None, "color=blue%20black%20brown", "color=R%20100%20G%20200%20B%20150"),
    ("pipeDelimited", False, None, "color=blue%7Cblack%7Cbrown", "color=R%7C100%7CG%7C200%7CB%7C150"),
    ("deepObject", True, None, None, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
]
ROWS = [
    (style, explode, value, written)
    for style, explode, *texts in TABLE
    for value, written in zip((TEXT, LIST, OBJECT), texts, strict=True)
    if written is not None
]


def parts(place: Any, value: Any, name: str = "color", **options: Any) -> RequestParts:
    path = f"/{{{name}}}" if place == "path" else "/"
    parameter = Parameter(place=place, name=name, **options)
    operation = Operation(path=path, parameters=(parameter,), bodies=(Body(),))
    return request_parts(operation, {name: value}, new_boundary=str)


@pytest.mark.parametrize(("style", "explode", "value", "written"), ROWS)
def test_a_value_is_written_in_its_style(style: str, explode: bool, value: Any, written: str) -> None:
    options = {"style": style, "explode": explode}
    if style in {"matrix", "label", "simple"}:
        assert parts("path", value, **options).path == f"/{written}"
    else:
        assert parts("query", value, **options).query == written
    if style == "simple":
        assert parts("header", value, **options).headers == {"color": written}
    if style == "form":
        assert parts("cookie", value, **options).cookie == written.replace("&", "; ")


@pytest.mark.parametrize(
    ("place", "options", "value", "written"),
    [
        ("query", {}, "a b&c=d/é", "color=a+b%26c%3Dd%2F%C3%A9"),
        ("query", {"allow_reserved": True}, "/a?b,c;d#e&f+g", "color=/a?b,c;d%23e%26f%2Bg"),
        ("query", {"explode": False}, ["x,y", 1, None, True], "color=x%2Cy,1,true"),
        ("query", {"style": "tabDelimited", "explode": False}, [1, 2], "color=1%092"),
        (
            "query",
            {"style": "deepObject"},
            {"a": {"b": [1, 2]}},
            "color%5Ba%5D%5Bb%5D%5B0%5D=1&color%5Ba%5D%5Bb%5D%5B1%5D=2",
        ),
        ("query", {"content_type": "application/json"}, {"a": [1]}, "color=%7B%22a%22%3A%5B1%5D%7D"),
        ("query", {}, None, ""),
        ("query", {}, [], ""),
        ("query", {}, "", "color="),
        ("cookie", {}, "a b;c", "color=a%20b%3Bc"),
    ],
)
def test_what_a_value_holds_is_escaped(place: Any, options: Any, value: Any, written: str) -> None:
    found = parts(place, value, **options)
    assert (found.query or found.cookie) == written
    assert found.body == b"{}"


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
