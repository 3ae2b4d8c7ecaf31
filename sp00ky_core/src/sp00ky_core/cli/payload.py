"""Read payloads from the command line: as JSON, or as parameters and a body."""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs
import click

from sp00ky_core.contract.bodies import fits
from sp00ky_core.contract.operation import Body, Operation, Parameter
from sp00ky_core.contract.reading import properties
from sp00ky_core.contract.value_types import types_of
from sp00ky_core.encoding.json_bytes import decode, pointer_of, steps_of
from sp00ky_core.errors import PayloadInvalid, PayloadNotJson
from sp00ky_core.hints import nearest

__all__ = ["Parts", "read_payload"]

_NOT_UTF8 = "it is not UTF-8; save it as UTF-8"


def read_payload(argument: str, name: str = "PAYLOAD") -> Any:
    """Parse the JSON that an argument stands for.

    Raises:
        click.UsageError: the file can't be read.
        PayloadNotJson: it holds no JSON, or an object with a key twice.
    """
    return _json(_read(argument, name) if _is_source(argument) else argument)


@attrs.frozen(kw_only=True)
class Parts:
    """Carries the parts of a payload, as they were typed.

    Attributes:
        parameters: ``NAME=VALUE`` each; one that is a list may be given several times.
        body: JSON, text or bytes, @FILE, or - for standard input; None: no body.
        content_type: Of the body; None: the operation's first.
    """

    parameters: tuple[str, ...] = ()
    body: str | None = None
    content_type: str | None = None

    def payload(self, operation: Operation) -> dict[str, Any]:
        """Make a payload of the explicit form; a value is what the parameter's schema says.

        Raises:
            click.UsageError: a parameter that the operation doesn't have, or twice; a file that can't be
                read; a body that should be JSON and isn't.
        """
        payload: dict[str, Any] = {}
        for parameter, value in _values(operation, self.parameters):
            place = payload.setdefault(f"${parameter.place}", {})
            if parameter.name in place and not isinstance(value, list):
                raise click.UsageError(f"--param {parameter.name} is given twice, and isn't a list")
            given = place.get(parameter.name, ())
            place[parameter.name] = [*given, *value] if isinstance(value, list) else value
        if self.content_type is not None:
            payload["$contentType"] = self.content_type
        if self.body is not None:
            try:
                payload["$body"] = _body(self._kind(operation), self.body)
            except PayloadNotJson as error:
                raise click.UsageError(f"--body: {error.problem}{self._assumed(operation)}") from error
        return payload

    def problem(self, operation: Operation, error: PayloadInvalid) -> click.UsageError:
        """Say what is wrong with a payload in the words that were typed."""
        typed = [f"{_typed_as(violation.pointer)}: {violation.message}" for violation in error.violations]
        of_body = any(text.startswith("--body") for text in typed)
        assumed = self._assumed(operation) if of_body and self.body is not None else ""
        return click.UsageError("; ".join(typed) + assumed)

    def _kind(self, operation: Operation) -> Body | None:
        given = self.content_type
        kinds = (body for body in operation.bodies if given is None or fits(given, body.media_type))
        return next(kinds, None)

    def _assumed(self, operation: Operation) -> str:
        """End a sentence about a body with what it was taken as, and what else it may be."""
        kind = self._kind(operation)
        if kind is None:
            return ""
        is_form = kind.format in ("form", "multipart")
        fields = ", so --body is a JSON object of its fields" if is_form else ""
        listed = " or ".join(body.media_type for body in operation.bodies if body != kind)[:200]
        others = f"; for another, give --content-type {listed}" if listed else ""
        return f"; it is sent as {kind.media_type}{fields}{others}"


def _typed_as(pointer: str) -> str:
    """Return what was typed for a place in a payload of the explicit form."""
    match steps_of(pointer):
        case ["$body", *steps]:
            return f"--body {pointer_of(steps)}".strip()
        case ["$contentType"]:
            return "--content-type"
        case ["$path" | "$query" | "$header" | "$cookie", name, *steps]:
            return f"--param {name} {pointer_of(steps)}".strip()
    return pointer or "the payload"


def _values(operation: Operation, parameters: Iterable[str]) -> Iterable[tuple[Parameter, Any]]:
    for text in parameters:
        name, is_given, value = text.partition("=")
        if not is_given:
            raise click.UsageError(f"--param {text}: write NAME=VALUE")
        declared = [parameter for parameter in operation.parameters if parameter.name == name]
        if not declared:
            raise click.UsageError(f"--param {name}: {_why_none(operation, name)}")
        for parameter in declared:
            yield parameter, _value(parameter, value)


def _why_none(operation: Operation, name: str) -> str:
    """Say why an operation has no parameter of a name."""
    if any(name == filled for _, filled in operation.credentials):
        return "it is filled from the backend's `auth`; leave it out"
    schemas = [body.schema for body in operation.bodies if body.schema]
    if any(name == known for schema in schemas for known, _ in properties(schema)):
        return f"it belongs to the body; use --body '{{\"{name}\": ...}}'"
    known = [parameter.name for parameter in operation.parameters]
    return f"{operation.name} has no parameter {name!r}; {nearest(name, known)}"


def _value(parameter: Parameter, text: str) -> Any:
    types = types_of(parameter.schema)
    if "array" not in types or "string" in types:
        return _typed(text, types)
    items = parameter.schema.get("items") if parameter.schema else None
    return [_typed(text, types_of(items))]


def _typed(text: str, types: frozenset[str]) -> Any:
    if "string" in types:
        return text
    try:
        return decode(text)
    except ValueError:
        return text  # the check of the payload says what it should be


def _body(kind: Body | None, argument: str) -> Any:
    content = _read(argument, "--body") if _is_source(argument) else argument.encode()
    if kind is not None and kind.format == "binary":
        return b64encode(content).decode()
    if kind is not None and kind.format == "text":
        return _text(content)
    return _json(content) if kind is not None else content.decode(errors="replace")  # refused, as a whole


def _is_source(argument: str) -> bool:
    return argument == "-" or argument.startswith("@")


def _read(argument: str, name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if argument == "-" else Path(argument[1:]).read_bytes()
    except OSError as error:
        raise click.UsageError(f"{name} {argument}: {error.strerror}") from error


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise PayloadNotJson(problem=_NOT_UTF8) from error


def _json(content: bytes | str) -> Any:
    try:
        return decode(content, unique_keys=True)
    except UnicodeDecodeError as error:
        raise PayloadNotJson(problem=_NOT_UTF8) from error
    except ValueError as error:
        raise PayloadNotJson(problem=str(error)) from error
