"""Take a payload apart into parameters and a body, and write these as the parts of a request. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain, filterfalse
from json import dumps
from typing import Any
from urllib.parse import quote

import attrs

from sp00ky_openapi.bodies import fits, format_of, written_body
from sp00ky_openapi.json_text import pointer_of
from sp00ky_openapi.near_names import near_miss
from sp00ky_openapi.operation import (
    LOOSE,
    PLACES,
    RESERVED,
    UNDECLARED,
    USE_EXPLICIT,
    Body,
    Operation,
    Parameter,
    Place,
    is_explicit,
)
from sp00ky_openapi.safety import climbs
from sp00ky_openapi.styles import Step, Unwritable, written
from sp00ky_openapi.violations import Violation

__all__ = ["PartsRefused", "RequestParts", "may_be_explicit", "path_pieces", "request_parts"]

ABSENT: Any = object()
"""Stands for no body at all; null is one."""

_CONFIGURED = "it is filled from {}, so no payload may have it"
_WITHHELD = "no payload may set it: a request has the outbox's own, or none"
_CHARSET = re.compile(r"charset *= *(?!\"?utf-8\b)", re.IGNORECASE)
_MARK, _ESCAPED_MARK = b'"$', b'"\\u0024'
_DOLLAR, _BACKSLASH = b"$\\"  # a byte is found many times faster than a text


@attrs.define(kw_only=True)
class Split:
    """The parts of a payload.

    Attributes:
        values: Of its parameters, by place and name.
        body: The body; ``ABSENT``: none.
        kind: Which of the operation's bodies that is; None: none.
        content_type: Of the body.
        explicit: Whether the payload says itself what is what.
        problems: What it has in a place where nothing of that kind can be.
    """

    values: Mapping[str, dict[str, Any]]
    body: Any = ABSENT
    kind: Body | None = None
    content_type: str = ""
    explicit: bool = False
    problems: list[Violation] = attrs.field(factory=list)

    def pointer(self, part: str, *steps: Step) -> str:
        """Return where in the payload a part is, or what is in that."""
        return pointer_of([f"${part}", *steps] if self.explicit else steps)

    def located(self, steps: Iterable[Step]) -> str:
        """Return where in the payload something is whose first step is its part."""
        part, *others = steps
        return self.pointer(str(part), *others)

    def violation(self, error: ValueError, part: str, *steps: Step) -> Violation:
        """Return a problem with a part as one with the payload."""
        if not isinstance(error, Unwritable):
            error = Unwritable(f"it can't be written as JSON: {type(error).__name__}")
        return Violation(pointer=self.pointer(part, *steps, *error.steps), message=error.problem)


def may_be_explicit(payload_json: bytes) -> bool:
    """Tell whether a payload could be of the explicit form, by what its JSON looks like; quick."""
    return (_DOLLAR in payload_json and _MARK in payload_json) or (
        _BACKSLASH in payload_json and _ESCAPED_MARK in payload_json
    )


def split(operation: Operation, payload: Mapping[str, Any]) -> Split:
    """Take a payload apart, in whichever form it is."""
    return _explicit(operation, payload) if is_explicit(operation, payload) else _flat(operation, payload)


def _flat(operation: Operation, payload: Mapping[str, Any]) -> Split:
    values: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}, "cookie": {}}
    for parameter in operation.parameters:
        if parameter.name in payload:
            values[parameter.place][parameter.name] = payload[parameter.name]
    parts = Split(values=values)
    if operation.bodies:
        own, parts.kind, parts.body = operation.own, operation.bodies[0], payload
        parts.content_type = parts.kind.content_type or ""
        if not own.isdisjoint(payload):
            parts.body = {name: value for name, value in payload.items() if name not in own}
    for (_, name), source in operation.configured.items():
        if name in payload and name in operation.own and not any(name in held for held in values.values()):
            parts.problems.append(Violation(pointer=pointer_of([name]), message=_CONFIGURED.format(source)))
    return parts


def _explicit(operation: Operation, payload: Mapping[str, Any]) -> Split:
    values: dict[str, Any] = {place: payload.get(f"${place}", {}) for place in PLACES}
    parts = Split(values=values, explicit=True)
    parts.problems += _misplaced(operation, payload)
    for place, held in values.items():
        if not isinstance(held, dict):
            values[place] = {}
    if "$body" in payload or "$contentType" in payload or operation.needs_body:
        try:
            parts.kind, parts.content_type = _kind(operation, payload)
            parts.body = payload["$body"]
        except Unwritable as error:
            parts.problems.append(Violation(pointer=pointer_of(error.steps), message=error.problem))
    return parts


def _misplaced(operation: Operation, payload: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield what stands where the explicit form has no such thing."""
    reason = f": {operation.reason}" if operation.reason else ""
    for index, name in enumerate(sorted(payload.keys() - RESERVED)):
        message = LOOSE if index else f"{USE_EXPLICIT}: {_shape(operation)}{reason}"
        is_near = name.startswith("$") or f"${name}" in RESERVED
        hint = near_miss(name, RESERVED) if is_near else ""
        yield Violation(pointer=pointer_of([name]), message=message + hint)
    for name, held in payload.items():
        if name[1:] in PLACES and not isinstance(held, dict):
            yield Violation(pointer=pointer_of([name]), message="expected an object of parameters")
        elif name[1:] in PLACES:
            declared = {parameter.name for parameter in operation.at(name[1:])}
            for undeclared in filterfalse(declared.__contains__, held):
                message = _why_closed(operation, name[1:], undeclared)
                message = message or UNDECLARED + near_miss(undeclared, declared)
                yield Violation(pointer=pointer_of([name, undeclared]), message=message)


def _why_closed(operation: Operation, place: str, name: str) -> str:
    if source := operation.configured.get((place, name)):
        return _CONFIGURED.format(source)
    return _WITHHELD if (place, name) in operation.withheld else ""


def _shape(operation: Operation) -> str:
    """Show the explicit form of an operation's payloads."""
    parts = [
        f'"${place}": {{{", ".join(f"{dumps(parameter.name[:80])}: ..." for parameter in listed[:5])}}}'
        for place in PLACES
        if (listed := operation.at(place))
    ]
    if operation.bodies:
        parts.append('"$body": ...')
    return f"{{{', '.join(parts)}}}"


def _kind(operation: Operation, payload: Mapping[str, Any]) -> tuple[Body, str]:
    """Return which body a payload has, and its media type. Raises ``Unwritable``."""
    given = payload.get("$contentType")
    if not operation.bodies:
        raise Unwritable("the operation has no body", ("$body" if "$body" in payload else "$contentType",))
    if "$body" not in payload:
        raise Unwritable("it is missing", ("$body",))
    listed = ", ".join(body.media_type for body in operation.bodies)[:200]
    if given is None and (first := operation.bodies[0]).content_type is not None:
        return first, first.content_type
    if isinstance(given, str) and _CHARSET.search(given):
        raise Unwritable("all that is sent is UTF-8", ("$contentType",))
    kinds = [body for body in operation.bodies if isinstance(given, str) and fits(given, body.media_type)]
    if not isinstance(given, str) or not kinds:
        raise Unwritable(f"expected a media type that the document has: {listed}", ("$contentType",))
    kind = min(kinds, key=lambda body: ("*" in body.media_type, _plain(given) != _plain(body.media_type)))
    if "*" in kind.media_type:
        written = format_of(given, kind.schema)
        if written is None:
            raise Unwritable("a job can't be sent as that", ("$contentType",))
        kind = attrs.evolve(kind, format=written)
    return kind, given


def _plain(media_type: str) -> str:
    """Return a media type with its parameters, as it is compared with others."""
    return media_type.replace(" ", "").casefold()


_TEMPLATED = re.compile(r"\{([^{}]*)\}")
_EMPTY = "it is required, and nothing would be sent for what is empty"
_KEPT = "/%:@!$&'()*+,;=~"  # what a path may hold unescaped; its own escapes are kept as they are


@attrs.frozen(kw_only=True)
class RequestParts:
    """All that a payload makes of a request.

    Attributes:
        path: Percent-encoded.
        query: Percent-encoded; empty: there is none.
        headers: Those that the document declares, ``Cookie`` and ``Content-Type`` apart.
        cookie: The value of ``Cookie``; empty: there is none.
        body: Byte for byte.
        content_type: Of the body; None: there is none.
    """

    path: str
    query: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    cookie: str = ""
    body: bytes = attrs.field(default=b"", repr=False)
    content_type: str | None = None


@attrs.define(eq=False)
class PartsRefused(Exception):
    """A payload can't be made into a request.

    Attributes:
        violations: Why, each with a JSON pointer into the payload; at least one.
    """

    violations: tuple[Violation, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.violations))


def request_parts(
    operation: Operation,
    payload: Mapping[str, Any],
    *,
    new_boundary: Callable[[], str],
    payload_json: bytes | None = None,
) -> RequestParts:
    """Write the parts of a request.

    Args:
        operation: What is called.
        payload: Of either form.
        payload_json: The payload as it was given: sent as it is where all of it is a body of JSON.
        new_boundary: Makes what separates the parts of a form; nothing that is sent may hold it.

    Raises:
        PartsRefused: the payload has what can't be sent, or lacks what must be.
    """
    parts = split(operation, payload)
    given = payload_json if parts.body is payload else None
    request = write_parts(operation, parts, new_boundary, given)
    if parts.problems:
        raise PartsRefused(tuple(parts.problems))
    return request


def write_parts(
    operation: Operation,
    parts: Split,
    new_boundary: Callable[[], str] = str,
    payload_json: bytes | None = None,
) -> RequestParts:
    """Write the parts of a request; what can't be is added to the problems of the payload's."""
    texts: dict[Place, dict[str, list[str]]] = {place: {} for place in PLACES}
    for parameter in operation.parameters:
        place, name = parameter.place, parameter.name
        try:
            texts[place][name] = _texts(operation, parameter, parts.values[place].get(name))
        except ValueError as error:
            parts.problems.append(parts.violation(error, place, name))
    body, content_type = b"", None
    try:
        if parts.body is not ABSENT and parts.kind is not None:
            body, content_type = _body(parts, parts.kind, new_boundary, payload_json)
    except ValueError as error:
        parts.problems.append(parts.violation(error, "body"))
    path, *pieces = path_pieces(operation.path)
    for name, literal in zip(pieces[::2], pieces[1::2], strict=True):
        path += "".join(texts["path"].get(name, ())) + literal
    if texts["path"] and climbs(path):
        problem = "its values make a segment '.' or '..' of the path"
        parts.problems.append(Violation(pointer="", message=problem))
    return RequestParts(
        path=path,
        query="&".join(filter(None, (operation.query, *chain.from_iterable(texts["query"].values())))),
        headers={name: text for name, listed in texts["header"].items() for text in listed},
        cookie="; ".join(chain.from_iterable(texts["cookie"].values())),
        body=body,
        content_type=content_type,
    )


def _body(
    parts: Split, kind: Body, new_boundary: Callable[[], str], payload_json: bytes | None
) -> tuple[bytes, str]:
    if payload_json is not None and kind.format == "json":
        return payload_json, parts.content_type
    boundary = new_boundary() if kind.format == "multipart" else ""
    return written_body(kind, parts.body, parts.content_type, boundary)


def _texts(operation: Operation, parameter: Parameter, value: object) -> list[str]:
    """Return what a request has for a parameter. Raises ``Unwritable``, also where it must have something."""
    if isinstance(value, dict) and parameter.explode and parameter.style == "form":
        _refuse_names(operation, parameter, value)
    texts = [] if value is None else written(parameter, value)
    if not texts and (parameter.required or parameter.place == "path"):
        raise Unwritable("it is missing" if value is None else _EMPTY)
    return texts


def _refuse_names(operation: Operation, parameter: Parameter, value: Mapping[str, object]) -> None:
    """Refuse an object whose properties would be taken for other parameters. Raises ``Unwritable``."""
    taken = {other.name for other in operation.parameters if other.place == parameter.place}
    taken |= {name for place, name in operation.configured if place == parameter.place}
    for name in (taken - {parameter.name}).intersection(value):
        raise Unwritable("it would be taken for the parameter of that name", (name,))


@lru_cache(maxsize=4_096)
def path_pieces(path: str) -> tuple[str, ...]:
    """Cut a path at its parameters: each second piece is the name of one, the others are percent-encoded.

    What follows ``#`` only tells operations of one path apart, and is left out.
    """
    pieces = _TEMPLATED.split(path.partition("#")[0])
    return tuple(piece if index % 2 else quote(piece, safe=_KEPT) for index, piece in enumerate(pieces))
