"""Checking payloads against their routes' schemas, and saying what is wrong in our words.

All routes share one validator, each as a property named by its path: so what many routes refer to is
compiled once, however many there are. A payload is checked as that property's value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import jsonschema_rs

from sp00ky_core.contract.routes import Route, RouteSchema
from sp00ky_core.errors import Violation
from sp00ky_core.paths import segment_problem

__all__ = ["PayloadCheck", "SchemaProblem", "compiled"]

_LONGEST_MESSAGE = 300  # characters
_MOST_VIOLATIONS = 1_000
_UNEXPECTED = frozenset({"additionalProperties", "unevaluatedProperties"})


class SchemaProblem(ValueError):
    """A route's schema that is none, or refers to what isn't there; the text says where."""


def compiled(
    described: Iterable[RouteSchema], registry: jsonschema_rs.Registry
) -> jsonschema_rs.Draft202012Validator:
    """A validator of these routes' payloads. Raises ``SchemaProblem``."""
    schema = {"properties": {each.route.path: each.schema for each in described}}
    try:
        return jsonschema_rs.Draft202012Validator(
            schema, registry=registry, validate_formats=True, mask="the value"
        )
    except jsonschema_rs.ValidationError as error:
        where = _pointer(error.instance_path)
        raise SchemaProblem(_short(f"{error.message}{f' (at {where})' if where else ''}")) from None
    except ValueError as error:
        raise SchemaProblem(_short(str(error))) from None


class PayloadCheck:
    """What one route's payloads must be."""

    def __init__(self, described: RouteSchema, validator: jsonschema_rs.Draft202012Validator) -> None:
        self.route: Route = described.route
        self._refusal = described.refusal
        self._parameters = frozenset((*self.route.path_parameters, *self.route.query_parameters))
        self._in_url = self.route.method == "GET" or bool(self.route.path_parameters)
        self._validator = validator

    def violations(self, payload: Mapping[str, Any]) -> list[Violation]:
        """Every violation (the first thousand), by place; never quotes a value of the payload."""
        if self._refusal:
            return [Violation(pointer="", message=self._refusal)]
        try:
            instance = {self.route.path: payload if isinstance(payload, dict) else dict(payload)}
            found = [] if self._validator.is_valid(instance) else self._found(instance)
        except (ValueError, TypeError) as error:  # keys that aren't text, bytes, lone surrogates, a cycle
            return [Violation(pointer="", message=f"it is no JSON: {_short(type(error).__name__)}")]
        if self._in_url:
            found += self._unfit_for_url(payload, {violation.pointer for violation in found})
        return sorted(dict.fromkeys(found), key=lambda violation: violation.pointer) if found else found

    def _found(self, instance: Mapping[str, Any]) -> list[Violation]:
        errors = self._validator.iter_errors(instance)
        return list(islice(self._translated(errors), _MOST_VIOLATIONS))

    def _translated(self, errors: Iterable[jsonschema_rs.ValidationError]) -> Iterator[Violation]:
        for error in errors:
            if error.kind.name in _UNEXPECTED and not _place(error):
                # The payload also holds what goes into the path and the query, and bodies don't name that.
                yield from _unexpected(error, self._parameters)
            else:
                yield from _violations(error)

    def _unfit_for_url(self, payload: Mapping[str, Any], known: set[str]) -> Iterator[Violation]:
        """What can't be written into the path, or into the query."""
        problems = {
            name: segment_problem(payload[name]) for name in self.route.path_parameters if name in payload
        }
        if self.route.method == "GET":
            problems = {name: _query_problem(value) for name, value in payload.items()} | problems
        for name, problem in problems.items():
            if problem and _pointer([name]) not in known:
                yield Violation(pointer=_pointer([name]), message=problem)


def _place(error: jsonschema_rs.ValidationError) -> list[str | int]:
    """Where in the payload; the first step is the route."""
    return error.instance_path[1:]


def _violations(error: jsonschema_rs.ValidationError) -> Iterator[Violation]:
    """One error of the library, as one violation for each place that it is about."""
    kind = error.kind.name
    if kind == "required":
        missing = error.kind.as_dict()["property"]
        yield Violation(pointer=_pointer([*_place(error), missing]), message="it is missing")
    elif kind in _UNEXPECTED:
        yield from _unexpected(error, frozenset())
    else:
        nearest = _nearest(error) if kind in {"anyOf", "oneOf"} else ""
        yield Violation(pointer=_pointer(_place(error)), message=_short(error.message + nearest))


def _unexpected(error: jsonschema_rs.ValidationError, allowed: frozenset[str]) -> Iterator[Violation]:
    for name in error.kind.as_dict()["unexpected"]:
        if name not in allowed:
            pointer = _pointer([*_place(error), name])
            yield Violation(pointer=pointer, message="the contract knows no such property")


def _nearest(error: jsonschema_rs.ValidationError) -> str:
    """What the alternative that fits best lacks: one that fails inside, and at the fewest places."""
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
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, dict | list) for item in items):
        return "it becomes a part of the query, so it must be text, a number, a boolean, or a list of these"
    return None


def _pointer(path: Iterable[str | int]) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def _short(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[: _LONGEST_MESSAGE - 3]}..."
