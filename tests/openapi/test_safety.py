"""Whatever the path: refused, or it stays below the origin and the base path for every reader."""

import posixpath
import re
from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sp00ky_openapi import path_problem
from sp00ky_openapi.safety import segment_problem

PIECES = st.sampled_from(
    [
        *["/", "//", "\\", ".", "..", "@", ":", "evil.test", "http:", "a", "é", "%", "%2", "{id}", ";"],
        *["%2e", "%2E", "%2f", "%5C", "%25", "%252e", "%00", "%0d%0a", "%c0%ae", "%20", "?", "#", "\r\n"],
    ]
)
PATHS = st.one_of(
    st.lists(PIECES, max_size=8).map("".join),
    st.lists(PIECES, max_size=8).map(lambda p: "/" + "".join(p)),
    st.text(),
)


def decoded_layers(path: str) -> list[str]:
    """The path, and what it becomes when it is decoded again and again."""
    layers = [path]
    while (layer := unquote(layers[-1])) != layers[-1]:
        layers.append(layer)
    return layers


@given(PATHS)
@example("/a%252f..")
def test_a_path_that_may_be_requested_stays_below_the_base_for_every_reader(path: str) -> None:
    if path_problem(path) is not None:
        return
    for layer in decoded_layers(path):
        assert "\\" not in layer
        assert layer.startswith("/")
        assert posixpath.normpath("/base" + layer).startswith("/base")
        assert layer.count("/") == path.count("/")
    joined = urlsplit(urljoin("http://api.test:3660/", path))
    assert (joined.scheme, joined.netloc) == ("http", "api.test:3660")
    appended = urlsplit("http://api.test:3660" + path)
    assert (appended.netloc, appended.path) == ("api.test:3660", path.partition("#")[0])


@given(st.lists(st.text("abcXYZ019-_~!$&'()*+,=:@é{}", min_size=1), max_size=6))
def test_plain_paths_are_never_refused(segments: list[str]) -> None:
    assert path_problem("/" + "/".join(segments)) is None


@given(st.text() | PATHS)
def test_a_value_that_may_fill_a_path_stays_one_segment_for_every_reader(value: str) -> None:
    if segment_problem(value) is not None:
        return
    assert value
    for layer in decoded_layers(quote(value, safe="")):
        segments = re.split(r"[/\\]", layer)
        assert ".." not in segments
        assert "." not in segments


@given(st.text())
@example("\ud800")
def test_any_text_is_judged_without_an_exception(path: str) -> None:
    assert path_problem(path) is None or isinstance(path_problem(path), str)


@pytest.mark.parametrize(
    "path",
    [
        *["", "x", "@evil.test/x", "//evil.test/x", "///x", "http://evil.test/", "HTTP:evil.test", "*"],
        *["\\\\evil.test", "/\\evil.test", "/a\\..\\b", "/%5cevil.test", "/a%5C..%5cb"],
        *["/../admin", "/a/..", "/./a", "/a/.", "/%2e%2e/admin", "/%2E%2e/x", "/.%2e/x", "/%2e./x", "/%2e"],
        *["/%252e%252e/x", "/%25252e/x", "/%252f", "/%2565", "/..;a=b/x", "/%2e%2e;/x", "/..%3bx/y"],
        *[
            "/a%2fb",
            "/a%2Fb",
            "/a?b",
            "/a#b c",
            "/a#",
            "/a#b#c",
            "/a#../x",
            "/..#b",
            "/a b",
            "/a\tb",
            "/a\u00a0b",
            "/a\u2028b",
            "/a%c2%a0b",
        ],
        *["/a\r\nX: y", "/a\n", "/a\0", "/a\x7f", "/a\x85", "/%0d%0aX:y", "/%00", "/%7f"],
        *["/\ud800", "/%", "/%2", "/%zz", "/%ff", "/%c0%ae%c0%ae/x", "/%ed%a0%80", "/" + "a" * 2048],
    ],
)
def test_refused(path: str) -> None:
    assert path_problem(path)


@pytest.mark.parametrize("path", [None, 1, b"/x", ["/x"]])
def test_what_is_no_text_is_refused(path: object) -> None:
    assert path_problem(path) == "it isn't text"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/a",
        "/a/",
        "/a.b/c..d/...",
        "/users/{id}/x.json",
        "/100%25",
        "/a%20b",
        "/caf%C3%A9",
        "/%3f",
        "/@x",
        "/a//b",
        "/" + "a" * 2047,
    ],
)
def test_allowed(path: str) -> None:
    assert path_problem(path) is None
