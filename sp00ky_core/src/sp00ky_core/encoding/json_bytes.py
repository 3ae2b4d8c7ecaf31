"""Write and read JSON as bytes, a payload's too, and point into it (RFC 6901).

A payload is a mapping or a model, with UUIDs, instants, decimals and enums in it, which get the JSON form
that Pydantic gives them. A dict of plain values, the usual case, goes through the encoder once, and nothing
else looks at its values; the place of what can't be written is looked for only once something can't.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from typing import Any, ClassVar, Protocol, TypeAlias
from uuid import UUID

import attrs

from sp00ky_core.error_texts import shown
from sp00ky_core.errors import PayloadNotJson
from sp00ky_openapi.json_text import JsonObject, JsonText, decode, encode, pointer_of, steps_of

__all__ = ["JsonObject", "JsonText", "Payload", "RefusedError", "check_keys", "decode"]
__all__ += ["encode", "json_hash", "json_value", "pointer_of", "steps_of"]


def json_hash(value: Any) -> str:
    """Return the SHA-256 of a value as JSON in its shortest form with sorted keys. Raises ``ValueError``."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
    return sha256(text.encode()).hexdigest()


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


class _Model(Protocol):
    """A Pydantic 2 model, known by its public method: Pydantic itself needn't be installed."""

    def model_dump(self, *, mode: str, by_alias: bool) -> Any:
        """Return its values in their JSON form."""


Payload: TypeAlias = Mapping[str, object] | attrs.AttrsInstance | _Dataclass | _Model | JsonText
"""A payload: a mapping, an instance of an attrs class, a dataclass or a Pydantic 2 model, or JSON text."""


EXPECTED = (
    "a dict, or an instance of an attrs class, a dataclass or a Pydantic model; "
    'a body that is no object is given as {"$body": ...}'
)

BASE64 = "write it as text, base64 for instance"


class RefusedError(Exception):
    """A value has no JSON form; the steps lead from it to the part that has none."""

    def __init__(self, problem: str, *steps: str | int) -> None:
        super().__init__(problem)
        self.steps = steps


def encode_payload(payload: object) -> bytes:
    """Write a payload as compact UTF-8 JSON. Raises ``PayloadNotJson``, which says where it isn't."""
    if isinstance(payload, JsonText):
        return bytes(payload)
    try:
        value = payload if isinstance(payload, dict) else _object(payload)
        text = _payload_encoder.encode(value)
        if text.find("{", 1) < 0:  # no object in it but itself
            "".join(value)  # refuses keys that aren't text, faster than a loop
        else:
            check_keys(value)
        return text.encode()
    except (TypeError, ValueError, RecursionError, RefusedError) as error:
        raise _located(payload, error) from error


def plain_copy(payload: object) -> dict[str, Any] | None:
    """Copy a flat dict of plain values, which its JSON gives back as they are; None: another payload."""
    if type(payload) is not dict:
        return None
    copy = payload.copy()
    is_plain = _TEXT.issuperset(map(type, copy)) and _PLAIN.issuperset(map(type, copy.values()))
    return copy if is_plain else None


def json_value(value: object) -> Any:
    """Return a value as it is read again once it was written in a payload. Raises ``PayloadNotJson``."""
    return decode(encode_payload({"value": value}))["value"]


def _object(payload: object) -> dict[str, Any]:
    form = _form(payload) if _is_model(payload) or isinstance(payload, Mapping) else None
    if isinstance(form, dict):
        return form
    written = "" if form is None else f", which is written as {type(form).__name__}"
    raise RefusedError(f"its type is {type(payload).__name__}{written}; give {EXPECTED}")


def _is_model(value: object) -> bool:
    kind = type(value)
    return attrs.has(kind) or hasattr(kind, "__dataclass_fields__") or hasattr(kind, "model_dump")


def _checked_form(value: Any) -> Any:
    """Return what the encoder writes for a value that it doesn't know."""
    form = _form(value)
    check_keys(form)
    return form


def _form(value: Any) -> Any:
    """Return what Pydantic writes for a value that JSON has no form for; parts of it may need that too."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | time):
        text = value.isoformat()
        return f"{text[:-6]}Z" if text.endswith("+00:00") else text
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    if _is_model(value):
        return _dumped(value)
    raise RefusedError(_problem_of(value))


def _dumped(model: Any) -> Any:
    kind = type(model)
    try:
        if hasattr(kind, "model_dump"):
            return model.model_dump(mode="json", by_alias=True)
        fields: Iterable[Any] = attrs.fields(kind) if attrs.has(kind) else dataclasses.fields(model)
        return {field.name: getattr(model, field.name) for field in fields}
    except Exception as error:  # a serializer of the model's own may raise anything
        if isinstance(error, AttributeError) and error.obj is model and not hasattr(kind, "model_dump"):
            raise RefusedError(f"it was never set in the model {kind.__name__}", str(error.name)) from error
        # The error's own text may hold a value: it is chained, and not repeated.
        for name, value in _failing_field(model):
            text = f"{type(value).__name__} in the model {kind.__name__} can't be written as JSON"
            text += f"; {BASE64} (ser_json_bytes)" if isinstance(value, bytes) else ""
            raise RefusedError(text, name) from error
        problem = f"the model {kind.__name__} can't be written as JSON: {type(error).__name__}"
        raise RefusedError(problem) from error


def _failing_field(model: Any) -> Iterator[tuple[str, object]]:
    """Yield the alias and the value of the first field that a Pydantic model can't write."""
    for name, field in getattr(type(model), "model_fields", {}).items():
        try:
            model.model_dump(mode="json", include={name})
        except Exception:  # noqa: BLE001  # the same as above, of this field alone
            yield field.serialization_alias or field.alias or name, getattr(model, name, None)
            return


def _problem_of(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"its type is {type(value).__name__}; {BASE64}"
    if isinstance(value, AbstractSet):
        return f"its type is {type(value).__name__}, which has no order; make it a list"
    return f"its type is {type(value).__name__}, which has no JSON form"


_payload_encoder = json.JSONEncoder(
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,  # a cycle is a RecursionError, which costs nothing where there is none
    separators=(",", ":"),
    default=_checked_form,
)
_TEXT = frozenset({str})
_PLAIN = frozenset({str, int, float, bool, type(None)})


def check_keys(value: Any) -> None:
    """Refuse keys that aren't text: the encoder would write some of them as text, without a word.

    Raises ``RefusedError``, whose only step is the key.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise RefusedError(f"its key is {type(key).__name__}, not text", shown(key))
            if type(item) not in _PLAIN:
                check_keys(item)
    elif isinstance(value, list | tuple):
        for item in value:
            if type(item) not in _PLAIN:
                check_keys(item)


def _located(payload: object, error: Exception) -> PayloadNotJson:
    """Make the error that says where the first value is that can't be written."""
    try:
        is_object = isinstance(payload, Mapping) or _is_model(payload)
        steps, problem = next(_problems(payload, (), ())) if is_object else ((), str(error))
    except RecursionError:
        steps, problem = (), "it is nested too deeply"
    except StopIteration:
        steps, problem = (), "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return PayloadNotJson(pointer=pointer_of(map(_printable, steps)), problem=problem)


_Steps: TypeAlias = tuple[str | int, ...]


def _problems(value: Any, path: _Steps, above: tuple[Any, ...]) -> Iterator[tuple[_Steps, str]]:
    """Yield where something can't be written and why, in the order of writing."""
    if any(value is item for item in above):
        yield path, "it holds itself"
    elif isinstance(value, str | int | float) or value is None:
        yield from ((path, problem) for problem in _plain_problems(value))
    elif isinstance(value, dict):
        for key, item in value.items():
            under = (*path, key if isinstance(key, str) else shown(key))
            yield from ((under, problem) for problem in _key_problems(key))
            yield from _problems(item, under, (*above, value))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _problems(item, (*path, index), (*above, value))
    else:
        yield from _problems_of_form(value, path, above)


def _problems_of_form(value: Any, path: _Steps, above: tuple[Any, ...]) -> Iterator[tuple[_Steps, str]]:
    try:
        form = _form(value)
    except RefusedError as error:
        yield (*path, *error.steps), str(error)
    else:
        yield from _problems(form, path, (*above, value))


def _key_problems(key: object) -> Iterator[str]:
    if not isinstance(key, str):
        yield f"its key is {type(key).__name__}, not text"
    elif not _is_unicode(key):
        yield "its key has a lone surrogate, which is no Unicode text"


def _plain_problems(value: str | float | None) -> Iterator[str]:
    if isinstance(value, str):
        if not _is_unicode(value):
            yield "it has a lone surrogate, which is no Unicode text"
        return
    try:
        _payload_encoder.encode(value)
    except ValueError:
        is_float = isinstance(value, float)
        yield f"it is {value}, which is no JSON number" if is_float else "it has too many digits"


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _printable(step: str | int) -> str:
    return str(step).encode(errors="replace").decode()
