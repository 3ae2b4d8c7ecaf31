"""Check payloads against their routes' schemas, and say what is wrong in the project's own words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, filterfalse, islice
from typing import Any

import attrs
import jsonschema_rs

from sp00ky_core.contract.documents import DocumentProblem, Node
from sp00ky_core.contract.formats import FORMATS
from sp00ky_core.contract.headers import HEADER_VALUE
from sp00ky_core.contract.path_safety import segment_problem
from sp00ky_core.contract.routes import Route, RouteParts
from sp00ky_core.contract.schema import Schemas, composing
from sp00ky_core.encoding.json_pointer import pointer_of
from sp00ky_core.errors import Violation

_LONGEST_MESSAGE = 300  # characters
_MOST_VIOLATIONS = 1_000
_UNEXPECTED = frozenset({"additionalProperties", "unevaluatedProperties"})
ProblemOf = Callable[[object], str | None]


def payload_schema(parts: RouteParts, schemas: Schemas) -> dict[str, Any]:
    """Return the schema of a route's payloads, which hold the body and all parameters at once."""
    route = parts.route
    return {
        **(schemas.reference(parts.body) if parts.body else {}),
        "properties": {name: schemas.reference(node) for name, node in parts.parameters.items()},
        "required": list(dict.fromkeys([*route.path_parameters, *route.required_parameters])),
    }


@attrs.frozen(kw_only=True)
class PayloadSchema:
    """Describe the payloads of a route, as JSON Schema.

    Attributes:
        route: The route.
        operation_id: What the document calls it.
        body: Of the whole payload; None: anything.
        parameters: Of each parameter, by name.
    """

    route: Route
    operation_id: str | None
    body: Any
    parameters: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class PayloadSchemas:
    """Hold the schemas of all payloads of a document.

    Attributes:
        routes: By path.
        definitions: What a ``$ref`` means, by the last part of it.
        places: Where in the document each of these is.
    """

    routes: Mapping[str, PayloadSchema]
    definitions: Mapping[str, Any]
    places: Mapping[str, str]


def described(routes: Iterable[RouteParts], schemas: Schemas) -> PayloadSchemas:
    """Describe the payloads of routes that can be compiled."""
    needed = list(routes)
    definitions = schemas.bundle({}, _nodes(needed))["$defs"]
    return PayloadSchemas(
        routes={
            parts.route.path: PayloadSchema(
                route=parts.route,
                operation_id=parts.operation_id,
                body=schemas.reference(parts.body) if parts.body else None,
                parameters={name: schemas.reference(node) for name, node in parts.parameters.items()},
            )
            for parts in needed
        },
        definitions=definitions,
        places={name: schemas.shown(["$defs", name]) for name in definitions},
    )


def _nodes(routes: Iterable[RouteParts]) -> list[Node]:
    return [node for parts in routes for node in (parts.body, *parts.parameters.values()) if node]


def compiled(routes: Iterable[RouteParts], schemas: Schemas) -> jsonschema_rs.Draft202012Validator:
    """Return a validator of a route's payloads; of several, one that only shows that they can be compiled.

    Raises:
        DocumentProblem: a schema that is none, or refers to what can't be had; the text says where.
    """
    needed = list(routes)
    each = [payload_schema(parts, schemas) for parts in needed]
    schema = schemas.bundle(each[0] if len(each) == 1 else {"anyOf": each}, _nodes(needed))
    try:
        return jsonschema_rs.Draft202012Validator(
            schema, validate_formats=True, formats=FORMATS, mask="the value"
        )
    except jsonschema_rs.ValidationError as error:
        where = schemas.shown(error.instance_path)
        text = _short(f"its schema can't be used: {error.message}{f' (at {where})' if where else ''}")
        raise DocumentProblem("", text) from None
    except ValueError as error:
        raise DocumentProblem("", _short(f"its schema can't be used: {error}")) from None


class PayloadCheck:
    """Check the payloads of one route."""

    def __init__(self, parts: RouteParts, validator: jsonschema_rs.Draft202012Validator) -> None:
        self.route: Route = parts.route
        route = self.route
        parameters = (*route.path_parameters, *route.query_parameters, *route.header_parameters)
        self._undeclared = frozenset(parameters).difference(_properties(parts.body) if parts.body else ())
        self._problems = _problem_finders(route)
        self._validator = validator
        self._is_valid = validator.is_valid

    def violations(self, payload: Mapping[str, Any]) -> list[Violation]:
        """Every violation (the first thousand), by place; never quotes a value of the payload."""
        try:
            instance = payload if isinstance(payload, dict) else dict(payload)
            found = [] if self._is_valid(instance) else self._found(instance)
        except (ValueError, TypeError) as error:  # keys that aren't text, bytes, lone surrogates, a cycle
            return [Violation(pointer="", message=f"it is no JSON: {_short(type(error).__name__)}")]
        if self._problems or not self.route.has_body:
            found += self._unfit(payload, {violation.pointer for violation in found})
        return sorted(dict.fromkeys(found), key=lambda violation: violation.pointer) if found else found

    def _found(self, instance: Mapping[str, Any]) -> list[Violation]:
        errors: Iterable[jsonschema_rs.ValidationError] = self._validator.iter_errors(instance)
        if self._undeclared:  # the payload also holds the parameters, and bodies don't name those
            body = {name: value for name, value in instance.items() if name not in self._undeclared}
            of_body = filter(_is_of_body, self._validator.iter_errors(body))
            errors = chain(filterfalse(_is_of_body, errors), of_body)
        violations = chain.from_iterable(map(_violations, errors))
        return list(islice(violations, _MOST_VIOLATIONS))

    def _unfit(self, payload: Mapping[str, Any], known: set[str]) -> Iterator[Violation]:
        """Yield what can't be written into the path, the query or a header."""
        problems: Mapping[str, ProblemOf] = self._problems
        if not self.route.has_body:
            problems = {**dict.fromkeys(payload, _query_problem), **problems}
        for name, problem_of in problems.items():
            problem = problem_of(payload[name]) if name in payload else None
            if problem and pointer_of([name]) not in known:
                yield Violation(pointer=pointer_of([name]), message=problem)


def _properties(body: Node) -> Iterator[str]:
    """Yield the names of the properties that a body declares."""
    for schema in composing(body, "allOf", "anyOf", "oneOf"):
        properties = schema.get("properties")
        yield from (name for name, _ in properties.each()) if properties else ()


def _is_of_body(error: jsonschema_rs.ValidationError) -> bool:
    return error.evaluation_path[:1] == ["$ref"]  # as in `payload_schema`


def _problem_finders(route: Route) -> dict[str, ProblemOf]:
    """For each parameter, how to find out why a value can't be written where it belongs."""
    found: dict[str, ProblemOf] = {}
    found |= dict.fromkeys(route.query_parameters, _query_problem)
    found |= dict.fromkeys(route.header_parameters, _header_problem)
    required = {name: _not_null(found[name]) for name in route.required_parameters if name in found}
    return found | required | dict.fromkeys(route.path_parameters, segment_problem)


def _not_null(problem_of: ProblemOf) -> ProblemOf:
    return lambda value: "it is required, and null is left out" if value is None else problem_of(value)


def _violations(error: jsonschema_rs.ValidationError) -> Iterator[Violation]:
    """One error of the library, as one violation for each place that it is about."""
    kind = error.kind.name
    if kind == "required":
        missing = error.kind.as_dict()["property"]
        yield Violation(pointer=pointer_of([*error.instance_path, missing]), message="it is missing")
    elif kind in _UNEXPECTED:
        for name in error.kind.as_dict()["unexpected"]:
            pointer = pointer_of([*error.instance_path, name])
            yield Violation(pointer=pointer, message="the contract knows no such property")
    else:
        nearest = _nearest(error) if kind in {"anyOf", "oneOf"} else ""
        yield Violation(pointer=pointer_of(error.instance_path), message=_short(error.message + nearest))


def _nearest(error: jsonschema_rs.ValidationError) -> str:
    """Return what the alternative that fits best lacks: one that fails inside, and at the fewest places."""
    context: list[list[jsonschema_rs.ValidationError]] = getattr(error.kind, "context", [])
    branches = [branch for branch in context if branch]
    if not branches:
        return ""
    depth = len(error.instance_path)
    nearest = min(branches, key=lambda branch: (_is_of_another_kind(branch, depth), len(branch)))
    listed = "; ".join(str(violation) for one in nearest[:3] for violation in _violations(one))
    return f"; the nearest one: {listed}"


def _is_of_another_kind(branch: list[jsonschema_rs.ValidationError], depth: int) -> bool:
    return any(
        error.kind.name in {"type", "const", "enum"} and len(error.instance_path) == depth for error in branch
    )


def _query_problem(value: object) -> str | None:
    if _is_nested(value):
        return "it becomes a part of the query, so it must be text, a number, a boolean, or a list of these"
    return None


def _header_problem(value: object) -> str | None:
    if _is_nested(value):
        return "it becomes a header, so it must be text, a number, a boolean, or a list of these"
    texts = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
    if not all(map(HEADER_VALUE.fullmatch, texts)):
        return "it becomes a header, so it must hold neither control characters nor letters beyond Latin-1"
    return None


def _is_nested(value: object) -> bool:
    return any(isinstance(item, dict | list) for item in (value if isinstance(value, list) else [value]))


def _short(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[: _LONGEST_MESSAGE - 3]}..."
