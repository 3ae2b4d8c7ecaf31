"""Read payloads from the command line: as JSON, or as parameters and a body."""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from sp00ky_core.contract.media_types import fits
from sp00ky_core.contract.operation import Body, Operation, Parameter
from sp00ky_core.contract.value_types import types_of
from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import PayloadNotJson, nearest

__all__ = ["payload_of", "read_payload"]

_NOT_UTF8 = "it is not UTF-8; save it as UTF-8"


def read_payload(argument: str, name: str = "PAYLOAD") -> Any:
    """Parse the JSON that an argument stands for.

    Raises:
        click.UsageError: the file can't be read.
        PayloadNotJson: it holds no JSON, or an object with a key twice.
    """
    return _json(_read(argument, name) if _is_source(argument) else argument)


def payload_of(
    operation: Operation, parameters: Iterable[str], body: str | None, content_type: str | None
) -> dict[str, Any]:
    """Make a payload of the explicit form of ``NAME=VALUE``s and a body.

    A value is what the parameter's schema says; a parameter that is a list may be given several times.

    Raises:
        click.UsageError: a parameter that the operation doesn't have, or twice; a file that can't be read.
        PayloadNotJson: a body that should be JSON and isn't.
    """
    payload: dict[str, Any] = {}
    for parameter, value in _values(operation, parameters):
        held = payload.setdefault(f"${parameter.place}", {})
        if parameter.name in held and not isinstance(value, list):
            raise click.UsageError(f"--param {parameter.name} is given twice, and isn't a list")
        held[parameter.name] = [*held.get(parameter.name, ()), *value] if isinstance(value, list) else value
    if content_type is not None:
        payload["$contentType"] = content_type
    if body is not None:
        payload["$body"] = _body(_kind(operation, content_type), body)
    return payload


def _values(operation: Operation, parameters: Iterable[str]) -> Iterable[tuple[Parameter, Any]]:
    for text in parameters:
        name, is_given, value = text.partition("=")
        declared = [parameter for parameter in operation.parameters if parameter.name == name]
        if not declared or not is_given:
            known = [parameter.name for parameter in operation.parameters]
            problem = f"{operation.name} has no parameter {name!r}" if is_given else "write NAME=VALUE"
            raise click.UsageError(f"--param {text}: {problem}; {nearest(name, known)}")
        for parameter in declared:
            yield parameter, _value(parameter, value)


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


def _kind(operation: Operation, content_type: str | None) -> Body | None:
    kinds = (body for body in operation.bodies if content_type is None or fits(content_type, body.media_type))
    return next(kinds, None)


def _body(kind: Body | None, argument: str) -> Any:
    content = _read(argument, "--body") if _is_source(argument) else argument.encode()
    if kind is not None and kind.format == "binary":
        return b64encode(content).decode()
    if kind is not None and kind.format == "text":
        return _text(content)
    return _json(content)


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
