"""Turn a function's signature into a schema, JSON into its arguments, and its result into JSON, by Pydantic.

What Pydantic doesn't know of itself it is taught by its own protocol: attrs classes, and before Python 3.12
the ``TypedDict`` of ``typing``. Both are read as a ``TypedDict`` that it knows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import attrs
from pydantic import ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from sp00ky_core.encoding.json_bytes import JsonObject, JsonText, json_value, pointer_of
from sp00ky_core.errors import PayloadNotJson
from sp00ky_core.job.outcome import INVALID_PAYLOAD
from sp00ky_tasks.parameters import parameters_of

__all__ = ["Refused", "Signature"]

_MOST_PROBLEMS = 5


class Refused(Exception):
    """A payload doesn't fit a signature, or a result has no JSON; says where, and quotes nothing.

    Attributes:
        name: The error's.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name: str = name


class Signature:
    """A function's arguments and result, as JSON and as its annotations have them.

    When it is made it raises what Pydantic, or Python, has against an annotation.

    Attributes:
        untyped: Parameters without an annotation: any JSON value.
        bad_default: The first parameter whose type refuses its default; empty: none.
        arguments: Its arguments, an object by their names.
        result: What it returns.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        hints, parameters = get_type_hints(function, include_extras=True), parameters_of(function)
        types, returned = {name: hints.get(name, Any) for name in parameters}, hints.get("return", Any)
        self.untyped: list[str] = [name for name in parameters if name not in hints]
        seen: set[Any] = set()
        for kind in (*types.values(), returned):
            _teach(kind, seen)
        defaults = {name: p.default for name, p in parameters.items() if p.default is not p.empty}
        self.arguments: TypeAdapter[Any] = TypeAdapter(_closed(function.__name__, types, defaults))
        self.result: TypeAdapter[Any] = TypeAdapter(returned)
        self.arguments.json_schema(), self.result.json_schema(mode="serialization")  # or it raises why not
        self.bad_default: str = next((n for n in defaults if not _takes(types[n], defaults[n])), "")

    def load(self, text: bytes) -> dict[str, Any]:
        """Read arguments. Raises ``Refused``."""
        try:
            return self.arguments.validator.validate_json(text, strict=True)  # type: ignore[no-any-return]
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            said = [f"{pointer_of(p['loc'])}: {p['msg']}" for p in problems[:_MOST_PROBLEMS]]
            raise Refused(INVALID_PAYLOAD, "; ".join(said)) from None

    def dump(self, arguments: dict[str, Any]) -> JsonObject:
        """Write arguments by their annotations; the contract then says what doesn't fit."""
        return JsonObject(self.arguments.dump_json(arguments, warnings=False))

    def dump_result(self, value: Any) -> JsonText:
        """Write a result by its annotation. Raises ``Refused``."""
        try:
            return JsonText(self.result.dump_json(value, warnings=False))
        except ValueError as error:
            where = type(error).__name__
            try:
                json_value(value)
            except PayloadNotJson as problem:
                where = f"{problem.pointer.removeprefix('/value') or 'itself'}: {problem.problem}"
            raise Refused("invalid_result", f"the result isn't JSON: {where}") from error


def _takes(kind: Any, default: Any) -> bool:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    with suppress(ValueError):
        adapter.validate_json(adapter.dump_json(default, warnings=False), strict=True)
        return True
    return False


def _closed(name: str, types: Mapping[str, Any], optional: Collection[str]) -> Any:
    """Make a ``TypedDict`` that has no other keys."""
    make: Any = TypedDict
    made = make(name, {key: NotRequired[kind] if key in optional else kind for key, kind in types.items()})
    made.__pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)
    return made


def _teach(kind: Any, seen: set[Any]) -> None:
    """Teach Pydantic the classes in an annotation that it doesn't know."""
    for part in kind if isinstance(kind, list) else get_args(kind):  # a list: of what a Callable takes
        _teach(part, seen)
    kind = get_origin(kind) or kind
    is_unknown = attrs.has(kind) or is_typeddict(kind)
    if not (is_unknown or dataclasses.is_dataclass(kind)) or kind in seen:
        return
    seen.add(kind)
    if is_unknown and not hasattr(kind, "__get_pydantic_core_schema__"):
        kind.__get_pydantic_core_schema__ = classmethod(_schema_of)
    for part in get_type_hints(kind, include_extras=True).values():
        _teach(part, seen)


@cache  # so that one which holds others of its own is known again
def _dict_of(kind: Any) -> Any:
    if is_typeddict(kind):
        return _closed(kind.__name__, get_type_hints(kind), kind.__optional_keys__)
    hints, fields = get_type_hints(kind, include_extras=True), [f for f in attrs.fields(kind) if f.init]
    optional = [field.alias for field in fields if field.default is not attrs.NOTHING]
    return _closed(kind.__name__, {f.alias: hints.get(f.name, Any) for f in fields}, optional)


def _schema_of(kind: Any, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    """Describe an attrs class or a ``TypedDict`` to Pydantic, which asks for it by its protocol."""
    made = handler.generate_schema(_dict_of(kind))
    if is_typeddict(kind):
        return made

    def values_of(value: Any) -> Any:
        fields = attrs.fields(kind) if isinstance(value, kind) else ()
        return {f.alias: getattr(value, f.name) for f in fields if f.init} if fields else value

    written = core_schema.plain_serializer_function_ser_schema(values_of, return_schema=made)
    build = lambda given: kind(**given)  # noqa: E731  # Pydantic calls it
    return core_schema.no_info_after_validator_function(build, made, serialization=written)
