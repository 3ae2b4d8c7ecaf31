"""JSON text is strict in both directions, and encoded once."""

from typing import Any

import pytest

from sp00ky_core.encoding.json_bytes import JsonObject, JsonText, decode, encode

CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


def test_it_is_compact_utf_8() -> None:
    assert encode({"é": [1, 1.5, None, True]}) == '{"é":[1,1.5,null,true]}'.encode()
    assert encode(JsonText(b'{ "as": "it is" }')) == b'{ "as": "it is" }'
    assert type(encode(JsonObject(b"{}"))) is bytes


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", CIRCLE])
def test_values_that_json_cannot_hold(value: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        encode(value)


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object()])
def test_types_that_json_has_no_notation_for(value: Any) -> None:
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize("text", ["", "{", "NaN", "[-Infinity]", "{'a': 1}", "[" * 100_000, b"\xff", b"1 2"])
def test_text_that_is_no_json(text: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decode(text)


@pytest.mark.parametrize("text", ['{"a":1}', b'{"a":1}', b'\xef\xbb\xbf{"a":1}', '{"a":1}'.encode("utf-16")])
def test_text_that_is(text: Any) -> None:
    assert decode(text) == {"a": 1}


def test_a_key_that_is_there_twice_may_be_refused() -> None:
    assert decode('{"a":1,"a":2}') == {"a": 2}
    with pytest.raises(ValueError, match="the key 'a' is there twice"):
        decode('[{"a":1,"a":2}]', unique_keys=True)
