"""Tell how a body of a media type is written, and which of several a job gets. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sp00ky_core.contract.documents import Node
from sp00ky_core.contract.operation import Format
from sp00ky_core.contract.value_types import is_base64, is_bytes, types_of

__all__ = ["essence", "fits", "format_of", "is_concrete", "is_json", "precedence", "sendable"]

_RANGES = ("application/*", "*/*")
_CONCRETE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+( *;[ -~]*)?", re.ASCII)
_JSON = (  # the best first; a JSON Patch (RFC 6902) is a list, so it goes after what takes objects
    r"application/json",
    r"text/json|(?!application/json-patch)[^/*]+/[^/*]*\+json",
    r"[^/*]+/[^/*]*\+json",
    r"[^/]+/[^/]*\+json",
    r"application/\*",
    r"\*/\*",
)
_FORMATS: Mapping[str, Format] = {
    "|".join(_JSON): "json",
    r"application/x-www-form-urlencoded": "form",
    r"multipart/form-data": "multipart",
    r"text/.*|application/xml|[^/]+/[^/]*\+(xml|yaml)": "text",
    r"application/(x-)?(yaml|ndjson|jsonl|json-seq|javascript|graphql|sql|toml)": "text",
    r"application/octet-stream": "binary",
}


def essence(media_type: str) -> str:
    """Return a media type without its parameters, in lower case."""
    return media_type.partition(";")[0].strip().casefold()


def format_of(media_type: str, schema: Node | None) -> Format | None:
    """Return how a body of a schema is written; None: it can't be.

    Of media types that aren't known the bytes are sent, unless the schema says that they stay base64.
    """
    name = essence(media_type)
    if name in _RANGES and is_bytes(schema):
        return "binary"
    for pattern, written in _FORMATS.items():
        if re.fullmatch(pattern, name):
            return written
    if name.startswith("multipart/") or "string" not in types_of(schema):
        return None
    return "text" if is_base64(schema) else "binary"


def is_json(media_type: str) -> bool:
    """Whether a media type is JSON, or a range that JSON is in."""
    return precedence(media_type) < len(_JSON)


def precedence(media_type: str) -> int:
    """Rank a media type: JSON first, then what is made of JSON, then what takes it, then all others."""
    name = essence(media_type)
    return next((rank for rank, pattern in enumerate(_JSON) if re.fullmatch(pattern, name)), len(_JSON))


def sendable(media_type: str, written: Format) -> str | None:
    """Return the ``Content-Type`` of a body whose job names none; None: of a range that no one can guess."""
    if is_concrete(media_type):
        return "application/json" if essence(media_type) == "application/json" else media_type
    if written == "json":
        return "application/json"
    return "text/plain" if essence(media_type) == "text/*" else None


def is_concrete(media_type: str) -> bool:
    """Whether a media type can be sent: it is no range, and fits into a header."""
    return _CONCRETE.fullmatch(media_type) is not None and "*" not in media_type


def fits(content_type: str, media_type: str) -> bool:
    """Whether a media type is the one that the document names, or within its range."""
    if not is_concrete(content_type):
        return False
    one, other = essence(content_type), essence(media_type)
    pattern = re.escape(other).replace(r"\*", "[^/]+")
    return re.fullmatch(pattern, one) is not None
