"""Write the parts of a request from an operation and a payload, whatever carries them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import attrs

from sp00ky_core.contract.bodies import written_body
from sp00ky_core.contract.operation import Operation, Parameter
from sp00ky_core.contract.path_safety import climbs
from sp00ky_core.contract.splitting import ABSENT, Split, split
from sp00ky_core.contract.styles import Unwritable, cookie, header, query, segment
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
    written = Written.of(operation, parts)
    body, content_type = b"", None
    if parts.body is not ABSENT and parts.kind is not None:
        try:
            if payload_json is not None and parts.body is payload and parts.kind.format == "json":
                body, content_type = payload_json, parts.content_type
            else:
                boundary = new_boundary() if parts.kind.format == "multipart" else ""
                body, content_type = written_body(parts.kind, parts.body, parts.content_type, boundary)
        except Unwritable as error:
            written.problems.append(parts.violation(error, "body"))
    if problems := [*parts.problems, *written.problems]:
        raise PartsRefused(tuple(problems))
    return RequestParts(
        path=written.path,
        query="&".join(written.query),
        headers=written.headers,
        cookie="; ".join(written.cookie),
        body=body,
        content_type=content_type,
    )


def unwritable(operation: Operation, payload: Mapping[str, Any], payload_json: bytes) -> list[Violation]:
    """Return why a payload can't be made into a request; nothing: it can."""
    try:
        request_parts(operation, payload, new_boundary=str, payload_json=payload_json)
    except PartsRefused as refused:
        return list(refused.violations)
    return []


@attrs.define(kw_only=True)
class Written:
    """The parameters of a request, written.

    Attributes:
        path: Percent-encoded.
        query: Its parts.
        headers: By name.
        cookie: Its parts.
        problems: What can't be written.
    """

    path: str = ""
    query: list[str] = attrs.field(factory=list)
    headers: dict[str, str] = attrs.field(factory=dict)
    cookie: list[str] = attrs.field(factory=list)
    problems: list[Violation] = attrs.field(factory=list)

    @classmethod
    def of(cls, operation: Operation, parts: Split) -> Written:
        """Write the parameters that a payload holds."""
        written, segments = cls(), dict[str, str]()
        for parameter in operation.parameters:
            value = parts.values[parameter.place].get(parameter.name)
            try:
                if isinstance(value, dict) and parameter.explode and parameter.style == "form":
                    _refuse_names(operation, parameter, value)
                is_there = value is not None and written._add(parameter, value, segments)
            except Unwritable as error:
                written.problems.append(parts.violation(error, parameter.place, parameter.name))
            else:
                if parameter.required and not is_there:
                    lacking = Unwritable("it is missing" if value is None else _EMPTY)
                    written.problems.append(parts.violation(lacking, parameter.place, parameter.name))
        if not written.problems:
            written._fill(operation.path, segments)
        return written

    def _add(self, parameter: Parameter, value: object, segments: dict[str, str]) -> bool:
        """Write a parameter where it belongs, and say whether there is anything of it now."""
        if parameter.place in ("path", "header"):
            write, texts = (segment, segments) if parameter.place == "path" else (header, self.headers)
            text = write(parameter, value)
            if text is not None:
                texts[parameter.name] = text
            return text is not None
        write_all, listed = (query, self.query) if parameter.place == "query" else (cookie, self.cookie)
        added = write_all(parameter, value)
        listed += added
        return bool(added)

    def _fill(self, path: str, segments: Mapping[str, str]) -> None:
        pieces = path_pieces(path)
        self.path = "".join(segments[piece] if index % 2 else piece for index, piece in enumerate(pieces))
        if segments and climbs(self.path):
            problem = "its values make a segment '.' or '..' of the path"
            self.problems.append(Violation(pointer="", message=problem))


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
