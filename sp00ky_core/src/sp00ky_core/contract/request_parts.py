"""Write the parts of a request from an operation and a payload, whatever carries them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any
from urllib.parse import quote

import attrs

from sp00ky_core.contract.bodies import written_body
from sp00ky_core.contract.operation import PLACES, Body, Operation, Parameter, Place
from sp00ky_core.contract.path_safety import climbs
from sp00ky_core.contract.splitting import ABSENT, Split, split
from sp00ky_core.contract.styles import Unwritable, written
from sp00ky_core.errors import Violation

__all__ = ["PartsRefused", "RequestParts", "path_pieces", "request_parts"]

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
        query="&".join(chain.from_iterable(texts["query"].values())),
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
    taken = {each.name for each in operation.parameters if each.place == parameter.place}
    taken |= {name for place, name in operation.credentials if place == parameter.place}
    for name in (taken - {parameter.name}).intersection(value):
        raise Unwritable("it would be taken for the parameter of that name", (name,))


@lru_cache(maxsize=4_096)
def path_pieces(path: str) -> tuple[str, ...]:
    """Cut a path at its parameters: each second piece is the name of one, the others are percent-encoded.

    What follows ``#`` only tells operations of one path apart, and is left out.
    """
    pieces = _TEMPLATED.split(path.partition("#")[0])
    return tuple(piece if index % 2 else quote(piece, safe=_KEPT) for index, piece in enumerate(pieces))
