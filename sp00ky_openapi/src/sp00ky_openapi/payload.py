"""Check payloads against their operations' schemas, and say what is wrong in the project's own words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from operator import attrgetter
from typing import Any

import jsonschema_rs

from sp00ky_openapi.bodies import checked_body
from sp00ky_openapi.documents import DocumentProblem, Node
from sp00ky_openapi.near_names import near_miss
from sp00ky_openapi.operation import PLACES, RESERVED, UNDECLARED, UNKNOWN, Body, Operation, Parameter
from sp00ky_openapi.request_parts import ABSENT, Split, split, write_parts
from sp00ky_openapi.schema import Schemas
from sp00ky_openapi.styles import Unwritable
from sp00ky_openapi.value_types import SCALARS, types_of
from sp00ky_openapi.violations import Violation

__all__ = ["BODIED", "nodes_of"]

_LONGEST_MESSAGE = 300  # characters
_MOST_VIOLATIONS = 1_000
_UNEXPECTED = frozenset({"additionalProperties", "unevaluatedProperties"})
BODIED = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose requests have a body, which a document may have forgotten."""
_TEXT = {"type": "string"}

Located = Callable[[Iterable[str | int]], str]


def nodes_of(operation: Operation, body: Body | None) -> list[Node]:
    """Return the schemas of an operation's parameters, and of one of its bodies."""
    held: list[Parameter | Body | None] = [*operation.parameters, body]
    return [part.schema for part in held if part and part.schema]


def _schema(operation: Operation, body: Body | None, schemas: Schemas) -> dict[str, Any]:
    """Return the schema of the parts of a payload: an object for each place, and the body."""
    properties: dict[str, Any] = {
        place: {
            "properties": {parameter.name: schemas.reference(parameter.schema) for parameter in held},
            "required": [parameter.name for parameter in held if parameter.required],
        }
        for place in PLACES
        if (held := operation.at(place))
    }
    if body is not None:
        is_text = body.format == "text" and types_of(body.schema).isdisjoint(SCALARS)
        properties["body"] = _TEXT if is_text else schemas.reference(body.schema)
    return {"properties": properties}


def compiled(
    kinds: Iterable[tuple[Operation, Body | None]], schemas: Schemas
) -> jsonschema_rs.Draft202012Validator:
    """Return a validator of an operation's parts; of several, one that only shows that they can be compiled.

    Raises:
        DocumentProblem: a schema that is none, or refers to what can't be had; the text says where.
    """
    needed = list(kinds)
    wholes = [_schema(operation, body, schemas) for operation, body in needed]
    nodes = [node for operation, body in needed for node in nodes_of(operation, body)]
    return _validator(wholes[0] if len(wholes) == 1 else {"anyOf": wholes}, nodes, schemas)


def _validator(
    schema: Mapping[str, Any], nodes: Iterable[Node], schemas: Schemas
) -> jsonschema_rs.Draft202012Validator:
    schema = schemas.bundle(schema, nodes)
    try:
        return jsonschema_rs.Draft202012Validator(
            schema, validate_formats=True, formats=FORMATS, mask="the value"
        )
    except jsonschema_rs.ValidationError as error:
        where = schemas.shown(error.instance_path)
        text = _short(f"its schema can't be used: {error.message}{f' (at {where})' if where else ''}")
        raise DocumentProblem(text) from None
    except ValueError as error:
        raise DocumentProblem(_short(f"its schema can't be used: {error}")) from None


class PayloadCheck:
    """Check the payloads of one operation.

    Raises:
        DocumentProblem: a schema can't be used.
    """

    def __init__(self, operation: Operation, schemas: Schemas) -> None:
        self.operation = operation
        self._schemas = schemas
        self._validators: dict[tuple[str, str] | None, jsonschema_rs.Draft202012Validator] = {}
        self._is_valid_body: Callable[[Any], bool] | None = None  # of an operation whose payloads are bodies
        body = operation.body
        if operation.is_plain and body is not None:
            schema = schemas.reference(body.schema)
            self._is_valid_body = _validator(schema, nodes_of(operation, body), schemas).is_valid
        else:
            self._validator(body)

    def violations(self, payload: Mapping[str, Any]) -> list[Violation]:
        """List every violation (the first thousand), by place; never quote a value of the payload."""
        try:
            payload = payload if isinstance(payload, dict) else dict(payload)
            if self._is_valid_body and RESERVED.isdisjoint(payload) and self._is_valid_body(payload):
                return []
            violations = self._found(payload)
        except (ValueError, TypeError) as error:  # keys that aren't text, bytes, lone surrogates, a cycle
            return [Violation(pointer="", message=f"it isn't JSON: {_short(type(error).__name__)}")]
        return sorted(dict.fromkeys(violations), key=attrgetter("pointer")) if violations else violations

    def _found(self, payload: dict[str, Any]) -> list[Violation]:
        parts = split(self.operation, payload)
        violations = [*parts.problems, *islice(self._invalid(parts), _MOST_VIOLATIONS)]
        known = {violation.pointer for violation in violations}
        write_parts(self.operation, parts)
        others = chain(parts.problems, self._undeclared(parts, payload))
        return violations + [violation for violation in others if violation.pointer not in known]

    def _invalid(self, parts: Split) -> Iterator[Violation]:
        """Yield what the schemas of the parts don't allow."""
        instance: dict[str, Any] = dict(parts.values)
        try:
            validator = self._validator(parts.kind)
            if parts.kind is not None and parts.body is not ABSENT:
                instance["body"] = checked_body(parts.kind, parts.body)
        except Unwritable as error:
            yield parts.violation(error, "body")
        except DocumentProblem as error:
            yield Violation(pointer="/$contentType", message=error.problem)
        else:
            if not validator.is_valid(instance):
                yield from chain.from_iterable(
                    _violations(error, parts.located, self._schemas)
                    for error in validator.iter_errors(instance)
                )

    def _validator(self, body: Body | None) -> jsonschema_rs.Draft202012Validator:
        key = None if body is None else (body.media_type, body.format)
        if key not in self._validators:
            self._validators[key] = compiled([(self.operation, body)], self._schemas)
        return self._validators[key]

    def _undeclared(self, parts: Split, payload: dict[str, Any]) -> Iterator[Violation]:
        """Yield what no part of a request without a body would hold."""
        declared = {parameter.name for parameter in self.operation.parameters}
        if parts.kind is None and not parts.explicit and (declared or self.operation.method not in BODIED):
            for name in payload.keys() - declared - self.operation.own:
                message = UNDECLARED + near_miss(name, declared)
                yield Violation(pointer=parts.pointer("", name), message=message)


def _violations(
    error: jsonschema_rs.ValidationError, located: Located, schemas: Schemas
) -> Iterator[Violation]:
    """Yield one error of the library, as one violation for each place that it is about."""
    kind = error.kind.name
    if kind == "required":
        missing = error.kind.as_dict()["property"]
        yield Violation(pointer=located([*error.instance_path, missing]), message="it is missing")
    elif kind in _UNEXPECTED:
        for name in error.kind.as_dict()["unexpected"]:
            pointer = located([*error.instance_path, name])
            hint = near_miss(name, schemas.properties(error.schema_path))
            yield Violation(pointer=pointer, message=UNKNOWN + hint)
    else:
        nearest = _nearest(error, located, schemas) if kind in {"anyOf", "oneOf"} else ""
        yield Violation(pointer=located(error.instance_path), message=_short(error.message + nearest))


def _nearest(error: jsonschema_rs.ValidationError, located: Located, schemas: Schemas) -> str:
    """Return what the alternative that fits best lacks: one that fails inside, and at the fewest places."""
    context: list[list[jsonschema_rs.ValidationError]] = getattr(error.kind, "context", [])
    branches = [branch for branch in context if branch]
    if not branches:
        return ""
    depth = len(error.instance_path)
    nearest = min(branches, key=lambda branch: (_is_of_another_kind(branch, depth), len(branch)))
    listed = "; ".join(
        str(violation) for one in nearest[:3] for violation in _violations(one, located, schemas)
    )
    return f"; the nearest one: {listed}"


def _is_of_another_kind(branch: list[jsonschema_rs.ValidationError], depth: int) -> bool:
    return any(
        error.kind.name in {"type", "const", "enum"} and len(error.instance_path) == depth for error in branch
    )


def _short(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[: _LONGEST_MESSAGE - 3]}..."


_DURATION = re.compile(
    r"-?P(?=[0-9T])([0-9]+Y)?([0-9]+M)?([0-9]+W)?([0-9]+D)?"
    r"(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?"
)


def _without_offset(name: str) -> Callable[[str], bool]:
    is_valid = jsonschema_rs.Draft202012Validator({"format": name}, validate_formats=True).is_valid
    return lambda text: is_valid(text) or is_valid(f"{text}Z")


FORMATS: dict[str, Callable[..., bool]] = {
    "date-time": _without_offset("date-time"),
    "time": _without_offset("time"),
    "duration": lambda text: _DURATION.fullmatch(text) is not None,
}
"""The check of a text, by the name of its format, where it isn't the validator's own."""
