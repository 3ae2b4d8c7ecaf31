"""Turn a function's signature into a schema, JSON into its arguments, and its result into JSON, by Pydantic.

What Pydantic doesn't know of itself it is taught by its own protocol: attrs classes, and before Python 3.12
the ``TypedDict`` of ``typing``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import attrs
from pydantic import ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from sp00ky_core.encoding.json_bytes import JsonObject, JsonText, json_value, pointer_of
from sp00ky_core.errors import PayloadNotJson
from sp00ky_tasks.context import parameters_of

__all__ = ["ArgumentsRefused", "ResultRefused", "Signature"]

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
_MOST_PROBLEMS = 5


class ArgumentsRefused(Exception):
    """A payload doesn't fit a signature; says where, and quotes nothing."""


class ResultRefused(Exception):
    """A result has no JSON; says where in it."""


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
        types = {name: hints.get(name, Any) for name in parameters}
        self.untyped: list[str] = [name for name in parameters if name not in hints]
        for kind in (*types.values(), hints.get("return", Any)):
            _teach(kind, set())
        defaults = {
            name: given.default for name, given in parameters.items() if given.default is not given.empty
        }
        make: Any = TypedDict
        fields: Any = {name: NotRequired[kind] if name in defaults else kind for name, kind in types.items()}
        given: Any = make(function.__name__, fields)
        given.__pydantic_config__ = _STRICT
        self.arguments: TypeAdapter[Any] = TypeAdapter(given)
        self.result: TypeAdapter[Any] = TypeAdapter(hints.get("return", Any))
        self.arguments.json_schema(), self.result.json_schema(mode="serialization")  # or it raises why not
        self.bad_default: str = next((n for n in defaults if not _takes(types[n], defaults[n])), "")

    def load(self, text: bytes) -> dict[str, Any]:
        """Read arguments. Raises ``ArgumentsRefused``."""
        try:
            return self.arguments.validator.validate_json(text, strict=True)  # type: ignore[no-any-return]
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            said = [f"{pointer_of(p['loc'])}: {p['msg']}" for p in problems[:_MOST_PROBLEMS]]
            raise ArgumentsRefused("; ".join(said)) from None

    def dump(self, arguments: dict[str, Any]) -> JsonObject:
        """Write arguments by their annotations; the contract then says what doesn't fit."""
        return JsonObject(self.arguments.dump_json(arguments, warnings=False))

    def dump_result(self, value: Any) -> JsonText:
        """Write a result by its annotation. Raises ``ResultRefused``."""
        try:
            return JsonText(self.result.dump_json(value, warnings=False))
        except ValueError as error:
            where = type(error).__name__
            try:
                json_value(value)
            except PayloadNotJson as problem:
                where = f"{problem.pointer.removeprefix('/value') or 'itself'}: {problem.problem}"
            raise ResultRefused(f"the result isn't JSON: {where}") from error


def _takes(kind: Any, default: Any) -> bool:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    try:
        adapter.validate_json(adapter.dump_json(default, warnings=False), strict=True)
    except ValueError:
        return False
    return True


def _teach(kind: Any, seen: set[Any]) -> None:
    """Teach Pydantic the classes in an annotation that it doesn't know."""
    for part in kind if isinstance(kind, list) else get_args(kind):  # a list: of what a Callable takes
        _teach(part, seen)
    kind = get_origin(kind) or kind
    if isinstance(kind, list):
        return
    is_unknown = isinstance(kind, type) and (attrs.has(kind) or is_typeddict(kind))
    if kind in seen or not (is_unknown or (isinstance(kind, type) and dataclasses.is_dataclass(kind))):
        return
    seen.add(kind)
    if is_unknown and not hasattr(kind, "__get_pydantic_core_schema__"):
        kind.__get_pydantic_core_schema__ = classmethod(_schema_of)
    for part in get_type_hints(kind, include_extras=True).values():
        _teach(part, seen)


def _schema_of(kind: Any, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    """Describe an attrs class or a ``TypedDict`` to Pydantic, which asks for it by its protocol."""
    is_attrs = attrs.has(kind)
    hints = get_type_hints(kind, include_extras=is_attrs)
    fields: Any = {f.alias: f for f in attrs.fields(kind) if f.init} if is_attrs else dict.fromkeys(hints)
    names = {given: field.name if field else given for given, field in fields.items()}
    made = core_schema.typed_dict_schema(
        {
            given: core_schema.typed_dict_field(
                handler.generate_schema(hints.get(names[given], Any)),
                required=field.default is attrs.NOTHING if field else given in kind.__required_keys__,
            )
            for given, field in fields.items()
        },
        extra_behavior="forbid",
    )
    if not is_attrs:
        return made

    def values_of(value: Any) -> Any:
        return {given: getattr(value, names[given]) for given in names} if isinstance(value, kind) else value

    written = core_schema.plain_serializer_function_ser_schema(values_of, return_schema=made)
    build = lambda given: kind(**given)  # noqa: E731  # Pydantic calls it
    return core_schema.no_info_after_validator_function(build, made, serialization=written)
