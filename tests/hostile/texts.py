"""Hostile text: what every store's strategies draw from."""

import json

from hypothesis import strategies as st
from tests.hostile.backend import ECHOES, ROUTES

__all__ = ["echoes", "mostly", "paths", "texts", "json_objects", "json_texts"]

HOSTILE_TEXTS = (
    "",
    " ",
    "\0",
    "x\0y",
    "\r\nX-Injected: 1\r\n\r\n",
    "\n\t\x1b[2J\x7f",
    "${API_TOKEN}",
    "{id}",
    "%s%n%(token)s{0.__class__}",
    "../../../../etc/passwd",
    "'; DROP TABLE job; --",
    "\u202e\u2028\ufeff\U0010ffff",
    "e\u0301" * 40,
    "null",
    "NaN",
    "-1",
    "x" * 3_000,
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-" + "0" * 32 + "-" + "0" * 16 + "-00\r\nAuthorization: Bearer x",
)

AWAY = (
    "@{away}/x",
    "//{away}/x",
    "///{away}/x",
    "http://{away}/x",
    "/\\{away}/x",
    "\\\\{away}\\x",
    ":80@{away}/x",
    "/ok@{away}",
    "/ok?next=http://{away}",
    "/ok#@{away}",
    "/items/{{id}}@{away}",
    "/ok\n//{away}/x",
    "/ok\r\nHost: {away}",
    "/ok HTTP/1.1\r\nHost: {away}\r\n\r\nGET /",
    "http:{away}",
    ".{away}/x",
)

NEAR = (
    "/ok/../x",
    "/ok/..;/x",
    "/%2e%2e/x",
    "/ok%2f..%2fx",
    "/./ok",
    "/OK",
    "/ok/",
    "/ok ",
    "ok",
    "/",
    "*",
    "/items/../ok",
    "/items/{id}/../../x",
    "/items/{nope}",
    "/items/{{id}}",
    "/ok\u2044x",
    "\uff0fok",
    "file:///etc/passwd",
    "/ok\x00",
    "/ok?x=1",
    "/ok;x",
)

DEPTHS = (1, 50, 400)

# No lone surrogates: no driver sends them. NUL is left to the few that can.
_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_PLAIN = st.text(_CHARACTERS, max_size=30)


def mostly(common: st.SearchStrategy[str], *rare: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Six times out of ten the first."""
    return st.integers(0, 9).flatmap(lambda chance: common if chance < 6 else st.one_of(rare))


def texts() -> st.SearchStrategy[str]:
    """Any text, and the worst."""
    return st.sampled_from(HOSTILE_TEXTS) | _PLAIN


def paths(away: str) -> st.SearchStrategy[str]:
    """Routes, and what isn't one: much of it would lead to ``away``, a host and port."""
    return st.one_of(
        st.sampled_from(ROUTES),
        st.sampled_from([template.format(away=away) for template in AWAY]),
        st.sampled_from(NEAR),
        texts(),
        st.builds(_spoilt, st.sampled_from(ROUTES), st.integers(0, 20), _PLAIN),
    )


def _spoilt(route: str, place: int, text: str) -> str:
    return route[:place] + text + route[place:]


def json_objects() -> st.SearchStrategy[str]:
    """The text of a JSON object, of every shape that a parser may choke on."""
    return st.one_of(
        st.builds(_object, st.dictionaries(_KEYS, json_texts(), max_size=4)),
        echoes(),
        st.builds(
            lambda depth: '{"id": ' + '{"a":' * depth + "1" + "}" * depth + "}", st.sampled_from(DEPTHS)
        ),
    )


def echoes() -> st.SearchStrategy[str]:
    """The text of a JSON object that makes the backend give its token away."""
    return st.sampled_from(sorted(ECHOES)).map('{{"how": "{}", "id": 1}}'.format)


def json_texts() -> st.SearchStrategy[str]:
    """The text of any JSON value."""
    return st.one_of(
        st.sampled_from(_VALUES),
        texts().map(json.dumps),
        st.integers().map(str),
        st.floats(allow_nan=False, allow_infinity=False).map(repr),
        st.sampled_from(DEPTHS).map(lambda depth: "[" * depth + "]" * depth),
        st.lists(_PLAIN, max_size=3).map(json.dumps),
    )


_KEYS = st.sampled_from(("id", "how", "q", "n", "", "__proto__", "\\ud800", "\\u0000", "a b", "id"))

_VALUES = (
    *("null", "true", "{}", "[]", '""', "0", "-0", "0.0", "-0.0e-0"),
    *("1e99999", "-1e99999", "1e-99999", "1E+2", "9" * 400, "9223372036854775808", "18446744073709551616"),
    *('"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\\ud83d\\ude00"', '"${API_TOKEN}"'),
    *('".."', '"."', '"%2e%2e"', '"../.."', '"%252e%252e"', '"a/b"', '"a\\\\b"', '"@evil"', '"?x#y"'),
    *('"\\r\\nX-Injected: 1"', '[1, {"a": [null]}]', '{"id": {"id": 1}}', '{"a": 1, "a": 2}', " 1 \t\n"),
)


def _object(fields: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{key}": {value}' for key, value in fields.items()) + "}"
