"""Type what payloads of any document may have: a file of a form, the explicit form, nothing at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypeAlias, TypedDict

__all__ = [
    "ExplicitBody",
    "ExplicitCookie",
    "ExplicitHeader",
    "ExplicitPath",
    "ExplicitQuery",
    "FormFile",
    "NoPayload",
]

_Part: TypeAlias = Mapping[str, Any]

FormFile = TypedDict(
    "FormFile", {"$file": str, "filename": NotRequired[str], "contentType": NotRequired[str]}
)
"""A file in a form: its bytes as base64, its name and its media type."""


class NoPayload(TypedDict):
    """The payload of an operation that has neither parameters nor a body."""


# The explicit form, with one part that is there: else {} was one, and no field of a flat form was missed.

ExplicitPath = TypedDict(
    "ExplicitPath",
    {
        "$path": _Part,
        "$query": NotRequired[_Part],
        "$header": NotRequired[_Part],
        "$cookie": NotRequired[_Part],
        "$body": NotRequired[Any],
        "$contentType": NotRequired[str],
    },
)
"""The explicit form of a payload that has parameters in the path."""

ExplicitQuery = TypedDict(
    "ExplicitQuery",
    {
        "$path": NotRequired[_Part],
        "$query": _Part,
        "$header": NotRequired[_Part],
        "$cookie": NotRequired[_Part],
        "$body": NotRequired[Any],
        "$contentType": NotRequired[str],
    },
)
"""The explicit form of a payload that has query parameters."""

ExplicitHeader = TypedDict(
    "ExplicitHeader",
    {
        "$path": NotRequired[_Part],
        "$query": NotRequired[_Part],
        "$header": _Part,
        "$cookie": NotRequired[_Part],
        "$body": NotRequired[Any],
        "$contentType": NotRequired[str],
    },
)
"""The explicit form of a payload that has header parameters."""

ExplicitCookie = TypedDict(
    "ExplicitCookie",
    {
        "$path": NotRequired[_Part],
        "$query": NotRequired[_Part],
        "$header": NotRequired[_Part],
        "$cookie": _Part,
        "$body": NotRequired[Any],
        "$contentType": NotRequired[str],
    },
)
"""The explicit form of a payload that has cookie parameters."""

ExplicitBody = TypedDict(
    "ExplicitBody",
    {
        "$path": NotRequired[_Part],
        "$query": NotRequired[_Part],
        "$header": NotRequired[_Part],
        "$cookie": NotRequired[_Part],
        "$body": Any,
        "$contentType": NotRequired[str],
    },
)
"""The explicit form of a payload that has a body."""
