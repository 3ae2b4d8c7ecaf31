"""Values are written as OpenAPI's own table of styles has it, and so that a server reads the same again."""

from typing import Any

import pytest
from tests.openapi.small import parts

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


def test_json_in_a_header_is_ascii() -> None:
    found = parts("header", "caf\xe9", content_type="application/json")
    assert found.headers == {"color": r'"caf\u00e9"'}
