"""Write and read JSON as bytes, and point into it (RFC 6901)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, NoReturn

__all__ = ["JsonObject", "JsonText", "decode", "encode", "pointer_of", "steps_of"]


class JsonText(bytes):
    """UTF-8 JSON that needs no encoding: where a value is expected, it stands for what it encodes."""

    __slots__ = ()


class JsonObject(JsonText):
    """UTF-8 JSON of an object, known to be that: whoever sends it along needn't look again."""

    __slots__ = ()


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode(value: Any) -> bytes:
    """Write compact UTF-8 JSON.

    Raises:
        ValueError: NaN, infinity, a cycle, a lone surrogate, or nesting that is too deep.
        TypeError: something that JSON has no notation for.
    """
    if isinstance(value, JsonText):
        return bytes(value)
    try:
        return _encoder.encode(value).encode()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def decode(text: bytes | str, *, unique_keys: bool = False) -> Any:
    """Parse JSON text; of a key that an object has twice the last value counts, unless ``unique_keys``.

    Raises:
        ValueError: no JSON, or JSON that only Python accepts (NaN, Infinity), or nested too deeply.
    """
    if not isinstance(text, str):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    decoder = _strict_decoder if unique_keys else _decoder
    try:
        if text.startswith(("{", "[")):  # looking for blanks around it costs as much as a small value
            value, end = decoder.raw_decode(text)
            if end == len(text):
                return value
        return decoder.decode(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice[:80]!r} is there twice; keep one")
    return mapping


# made once: json.loads would make one per call
_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_strict_decoder = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique)


def pointer_of(steps: Iterable[str | int]) -> str:
    """Write a pointer: empty for the document itself, ``/items/0`` for the first of its items."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def steps_of(pointer: str) -> list[str]:
    """Read a pointer's keys and indexes; it can't say which of them are numbers."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
