"""Choose the media type of a body, and write its bytes as that has them. Pure."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from sp00ky_openapi.documents import Node
from sp00ky_openapi.json_text import encode
from sp00ky_openapi.operation import Body, Encoding, Format
from sp00ky_openapi.styles import Unwritable, at, json_text, pairs, query_text, reserved_text, scalar
from sp00ky_openapi.value_types import is_base64, is_bytes, types_of

__all__ = ["is_concrete"]

_RANGES = ("application/*", "*/*")
_CONCRETE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+( *;[ -~]*)?", re.ASCII)
_CHARSET = re.compile(r" *; *charset *=[^;]*", re.IGNORECASE)
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
    """Tell whether a media type is JSON, or a range that JSON is in."""
    return precedence(media_type) < len(_JSON)


def precedence(media_type: str) -> int:
    """Rank a media type: JSON first, then what is made of JSON, then what takes it, then all others."""
    name = essence(media_type)
    return next((rank for rank, pattern in enumerate(_JSON) if re.fullmatch(pattern, name)), len(_JSON))


def sendable(media_type: str, written: Format) -> str | None:
    """Return the ``Content-Type`` of a body whose job names none; None: of a range that no one can guess."""
    if is_concrete(media_type):
        charset = "" if essence(media_type) == "application/json" else "; charset=utf-8"
        return media_type if written == "binary" else _CHARSET.sub(charset, media_type)
    if written == "json":
        return "application/json"
    return "text/plain" if essence(media_type) == "text/*" else None


def is_concrete(media_type: str) -> bool:
    """Tell whether a media type can be sent: it is no range, and fits into a header."""
    return _CONCRETE.fullmatch(media_type) is not None and "*" not in media_type


def fits(content_type: str, media_type: str) -> bool:
    """Tell whether a media type is the one that the document names, or within its range."""
    if not is_concrete(content_type):
        return False
    one, other = essence(content_type), essence(media_type)
    pattern = re.escape(other).replace(r"\*", "[^/]+")
    return re.fullmatch(pattern, one) is not None


_FILE = "$file"
_FILE_KEYS = frozenset({_FILE, "filename", "contentType"})
_UNQUOTABLE = re.compile(r"[\x00-\x1f\x7f\"]")
_OCTETS = "application/octet-stream"
_AS_IT_IS = Encoding()


@attrs.frozen(kw_only=True)
class _Part:
    content: bytes
    content_type: str | None = None
    filename: str | None = None


def written_body(body: Body, value: Any, content_type: str, boundary: str) -> tuple[bytes, str]:
    """Return the bytes of a body, and its ``Content-Type``.

    Raises:
        Unwritable: the media type has no way to say that.
        ValueError: JSON hasn't, though it was read from JSON: 1E400, a lone surrogate.
    """
    if body.format == "multipart":
        content = b"".join(_multipart(body, _object(value), boundary.encode()))
        return content, f"{essence(content_type)}; boundary={boundary}"
    return _WRITERS[body.format](body, value), content_type


def checked_body(body: Body, value: Any) -> Any:
    """Return a body as its schema describes it: bytes as text with a letter for each, not base64.

    Raises:
        Unwritable: what should be base64 isn't, or a file is none.
    """
    if body.format == "binary":
        return _decoded(value).decode("latin-1")
    if body.format != "multipart" or not isinstance(value, dict):
        return value
    return {
        name: [_checked(body, name, item, index) for index, item in enumerate(held)]
        if isinstance(held, list)
        else _checked(body, name, held)
        for name, held in value.items()
    }


def _checked(body: Body, name: str, value: Any, *steps: int) -> Any:
    with at(name, *steps):
        part = _file(body, name, value)
    return value if part is None else part.content.decode("latin-1")


def _form(body: Body, value: Any) -> bytes:
    fields: list[str] = []
    for name, held in _object(value).items():
        encoding = body.encodings.get(name, _AS_IT_IS)
        escape = reserved_text if encoding.allow_reserved else query_text
        with at(name):
            if encoding.style is not None:
                written = pairs(name, held, encoding.style, explode=encoding.explode, escape=escape)
            else:
                written = ((name, escape(_field(item))) for item in _items(held, encoding))
            fields += [f"{query_text(key)}={text}" for key, text in written]
    return "&".join(fields).encode()


def _field(value: Any) -> str:
    return json_text(value) if isinstance(value, dict | list) else scalar(value)


_WRITERS: Mapping[str, Callable[[Body, Any], bytes]] = {
    "json": lambda _, value: encode(value),
    "text": lambda _, value: scalar(value).encode(),
    "binary": lambda _, value: _decoded(value),
    "form": _form,
}


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unwritable("it becomes a form, so it must be an object")
    return value


def _items(value: Any, encoding: Encoding) -> list[Any]:
    """Return what a property is written as, one after the other; null isn't."""
    is_json = any("json" in name.lower() for name in encoding.content_types)
    items = value if isinstance(value, list) and not is_json else [value]
    return [item for item in items if item is not None]


def _multipart(body: Body, value: Mapping[str, Any], boundary: bytes) -> Iterator[bytes]:
    for name, held in value.items():
        with at(name):
            for part_name, part in _parts(body, name, held):
                head = "".join(_head(part_name, part)).encode()
                yield b"--%b\r\n%b\r\n%b\r\n" % (boundary, head, part.content)
    yield b"--%b--\r\n" % boundary


def _head(name: str, part: _Part) -> Iterator[str]:
    shown = scalar(name).replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    filename = "" if part.filename is None else f'; filename="{part.filename}"'
    yield f'Content-Disposition: form-data; name="{shown}"{filename}\r\n'
    if part.content_type is not None:
        yield f"Content-Type: {part.content_type}\r\n"


def _parts(body: Body, name: str, value: Any) -> Iterator[tuple[str, _Part]]:
    encoding = body.encodings.get(name, _AS_IT_IS)
    if encoding.style is not None and name not in body.files:
        for key, text in pairs(name, value, encoding.style, explode=encoding.explode):
            yield key, _Part(content=text.encode())
        return
    for index, item in enumerate(_items(value, encoding)):
        with at(*([index] if isinstance(value, list) else [])):
            yield name, _file(body, name, item) or _simple_part(encoding, item)


def _simple_part(encoding: Encoding, value: Any) -> _Part:
    content_type = next(filter(is_concrete, encoding.content_types), None)
    if not isinstance(value, dict | list):
        return _Part(content=scalar(value).encode(), content_type=content_type)
    if content_type is not None and "json" not in content_type.lower():
        raise Unwritable(f"it is sent as {content_type[:80]}, so it must be text")
    return _Part(content=json_text(value).encode(), content_type=content_type or "application/json")


def _file(body: Body, name: str, value: Any) -> _Part | None:
    """Return a file of a form; None: the value is none. Raises ``Unwritable``."""
    is_described = isinstance(value, dict) and _FILE in value
    if not is_described and (name not in body.files or not isinstance(value, str)):
        if name in body.encoded and isinstance(value, str):
            _decoded(value)
        return None
    file = value if is_described else {_FILE: value}
    if unknown := next((key for key in file if key not in _FILE_KEYS), None):
        raise Unwritable("a file has only $file, filename and contentType", (unknown,))
    for key in ("filename", "contentType"):
        text = file.get(key, "")
        if not isinstance(text, str) or _UNQUOTABLE.search(text) or not scalar(text, key).isprintable():
            raise Unwritable("it must be text without control characters or quotes", (key,))
    with at(*[_FILE] * is_described):
        content = _decoded(file[_FILE])
    with at("contentType"):
        content_type = _content_type(body, name, file.get("contentType"))
    filename = file.get("filename") or _UNQUOTABLE.sub("_", name)
    return _Part(content=content, content_type=content_type, filename=filename)


def _content_type(body: Body, name: str, given: str | None) -> str:
    """Return the media type of a file: the one given, if the document has it, or the document's only one."""
    declared = body.encodings.get(name, _AS_IT_IS).content_types
    if given is None:
        return next(filter(is_concrete, declared), _OCTETS)
    if not is_concrete(given) or (declared and not any(fits(given, media_type) for media_type in declared)):
        listed = f"; it is one of {', '.join(declared)[:200]}" if declared else ""
        raise Unwritable(f"that isn't a media type that the document has there{listed}")
    return given


def _decoded(value: Any) -> bytes:
    if not isinstance(value, str):
        raise Unwritable("it must be text that is base64")
    try:
        return binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        raise Unwritable("it isn't valid base64; use the standard alphabet, with padding") from None
