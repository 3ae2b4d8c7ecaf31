"""No type is narrower than its schema: what a validator takes has the type that was made of the schema."""

import ast
import re
import typing
from types import NoneType, UnionType
from typing import Any

import jsonschema_rs
from hypothesis import event, given, reject, settings
from hypothesis import strategies as st

from sp00ky_generate.annotation import Annotations, Names
from sp00ky_generate.module import HEAD, IMPORTS

_ALIAS = re.compile(r"(\w+): TypeAlias = (.*)\n")
KEYS = ("a", "b", "c")
LONG = 100_000
"""Characters that no module of these small schemas has, but one whose aliases contain themselves."""

SCALARS = st.sampled_from([None, True, 0, 1, 0.5, "a", "b"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)
KINDS = ("string", "integer", "number", "boolean", "null", "array", "object")
REFERENCES = st.sampled_from([{"$ref": "#/$defs/0"}, {"$ref": "#/$defs/1"}])


def composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    listed = st.lists(inner, min_size=1, max_size=3)
    objects = st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from(KEYS), inner, max_size=2)},
        optional={
            "required": st.lists(st.sampled_from(KEYS), unique=True),
            "additionalProperties": inner,
            **dict.fromkeys(("allOf", "anyOf", "oneOf"), listed),
        },
    )
    return st.one_of(
        objects,
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(lambda key, parts: {key: parts}, st.sampled_from(["allOf", "anyOf", "oneOf"]), listed),
        st.builds(lambda schema: {"if": {"type": "null"}, "else": schema}, inner),
        st.builds(lambda reference, kind: {**reference, "type": kind}, REFERENCES, st.sampled_from(KINDS)),
    )


SCHEMAS = st.recursive(
    st.one_of(
        st.booleans(),
        st.just({}),
        REFERENCES,
        st.builds(lambda kinds: {"type": kinds}, st.lists(st.sampled_from(KINDS), min_size=1, unique=True)),
        st.builds(lambda values: {"enum": values}, st.lists(SCALARS, min_size=1, max_size=3)),
        st.builds(lambda value: {"const": value}, SCALARS),
    ),
    composed,
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(st.tuples(SCHEMAS, SCHEMAS), SCHEMAS, st.lists(VALUES, min_size=20, max_size=20))
def test_what_fits_a_schema_has_its_type(definitions: Any, schema: Any, values: list[Any]) -> None:
    named = {str(number): definition for number, definition in enumerate(definitions)}
    whole = {"allOf": [schema], "$defs": named}
    try:
        validator = jsonschema_rs.Draft202012Validator(whole)
        fitting = [value for value in values if validator.is_valid(value)]
    except ValueError:
        return  # a reference that goes in a circle
    event(f"{len(fitting)} fit")
    kind, names = evaluated(schema, named)
    for value in fitting:
        assert has_type(value, kind, names), (value, kind)


def evaluated(schema: Any, definitions: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The type of a schema, and the names that a module has."""
    annotations = Annotations(definitions, {"0": "#/components/schemas/zero"}, Names())
    text = annotations.of(schema, "Thing")
    annotations.finish()
    aliases = dict(alias.groups() for alias in map(_ALIAS.fullmatch, annotations.statements) if alias)
    classes = [statement for statement in annotations.statements if not _ALIAS.fullmatch(statement)]
    imports = "".join(f"from {module} import {', '.join(names)}\n" for module, names in IMPORTS.items())
    names: dict[str, Any] = {"__name__": "generated"}
    source = HEAD + imports + expanded("\n".join(classes), aliases)
    exec(compile(source, "generated", "exec"), names)  # noqa: S102
    return eval(expanded(text, aliases), names), names  # noqa: S307


def expanded(text: str, aliases: dict[str, Any]) -> str:
    """A text without aliases, which are mere texts when they are run; one that has itself in it has none."""
    name = re.compile(rf"\b(?:{'|'.join(aliases)})\b") if aliases else re.compile(r"(?!)")
    for _ in aliases:
        text = name.sub(lambda found: ast.literal_eval(aliases[found[0]]), text)
        if len(text) > LONG:
            break
    if name.search(text):
        reject()
    return text


def has_type(value: Any, kind: Any, names: dict[str, Any]) -> bool:
    """Whether a type checker would take a value."""
    kind = eval(kind, names) if isinstance(kind, str) else kind  # noqa: S307
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return True
    if origin in {typing.Union, UnionType}:
        return any(has_type(value, argument, names) for argument in arguments)
    if origin is typing.Literal:
        return any(value == argument and type(value) is type(argument) for argument in arguments)
    if typing.is_typeddict(kind):
        return isinstance(value, dict) and _has_fields(value, kind, names)
    if origin is not None:  # Sequence, Mapping
        inner = list(value.values()) if isinstance(value, dict) else value
        of_kind = isinstance(value, list if origin.__name__ == "Sequence" else dict)
        return of_kind and all(has_type(item, arguments[-1], names) for item in inner)
    kinds = {float: (int, float), None: NoneType}.get(kind, kind)
    return isinstance(value, kinds) and (kind is bool or not isinstance(value, bool))


def _has_fields(value: dict[str, Any], kind: Any, names: dict[str, Any]) -> bool:
    """Whether it has the fields that it must; keys that a TypedDict doesn't have are passed over."""
    hints = typing.get_type_hints(kind, names, include_extras=True)
    optional = {key for key, hint in hints.items() if typing.get_origin(hint) is typing.NotRequired}
    types = {key: typing.get_args(hint)[0] if key in optional else hint for key, hint in hints.items()}
    fields = [has_type(item, types[key], names) for key, item in value.items() if key in types]
    return all(fields) and hints.keys() - optional <= value.keys()
