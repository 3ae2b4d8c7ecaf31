"""openapi-core as the judge of requests that a backend received: it knows nothing of this project."""

import json
import re
from collections.abc import Mapping
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import yaml
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.unmarshalling.request.datatypes import RequestUnmarshalResult
from werkzeug.datastructures import Headers, ImmutableMultiDict

from sp00ky_conformance.transport.answering import Received

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_FORMATS = ("date", "date-time", "uuid", "byte", "binary", "int32", "int64", "float", "double")
_UNREAD = ("not available", "got <class 'list'>", "is not of type 'string'")
_CONFIG = Config(
    spec_validator_cls=None, extra_media_type_deserializers={"application/json-patch+json": json.loads}
)
_ORIGIN = "http://judge.test"


class _Loader(yaml.SafeLoader):
    """Reads dates as the texts that they are."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in listed if not tag.endswith(":timestamp")]
    for first, listed in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def document_of(file: Path) -> dict[str, Any]:
    """Return what a document says, with names that are texts."""
    text = file.read_text(encoding="utf-8")
    read = json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, _Loader)  # noqa: S506
    document: dict[str, Any] = json.loads(json.dumps(read))
    return document


class Judge:
    """Reads requests as a document describes them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        known = {**_without_formats(document), "servers": [{"url": _ORIGIN}]}
        self._openapi = OpenAPI.from_dict(known, config=_CONFIG)

    def read(self, received: Received) -> RequestUnmarshalResult:
        """Return what a request says; its ``errors`` are in what it breaks the document."""
        return self._openapi.unmarshal_request(_Request(received))

    def problems(self, received: Received) -> list[str]:
        """Return in what a request breaks the document; nothing where openapi-core can't read that."""
        try:
            texts = map(_told, self.read(received).errors)
        except (TypeError, re.error):
            return []
        return [text for text in texts if not any(known in text for known in _UNREAD)]


def _told(error: BaseException | None) -> str:
    return "" if error is None else f"{error!r} {error} {_told(error.__cause__)}"


class _Request:
    """A request in the words of openapi-core, which wants the path decoded but for its slashes."""

    def __init__(self, received: Received) -> None:
        path, _, query = received.target.partition("?")
        cookie = SimpleCookie(received.headers.get("cookie", ""))
        self.host_url = _ORIGIN
        self.path = "%2F".join(map(unquote, path.split("%2F")))
        self.method = received.method.lower()
        self.content_type = received.headers.get("content-type", "")
        self.body = received.body or None
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(parse_qsl(query, keep_blank_values=True)),
            header=Headers(dict(received.headers)),
            cookie=ImmutableMultiDict({name: unquote(morsel.value) for name, morsel in cookie.items()}),
        )


def _without_formats(value: Any) -> Any:
    """Return a document without what openapi-core stumbles over: formats of others, security, servers."""
    if isinstance(value, list):
        return [_without_formats(item) for item in value]
    if not isinstance(value, dict):
        return value
    unknown = isinstance(value.get("format"), str) and value["format"] not in _FORMATS
    dropped = {"allowEmptyValue", *(["format"] if unknown else [])}
    if not value.keys().isdisjoint(("openapi", "responses", *_METHODS)):
        dropped |= {"security", "servers"}
    return {key: _without_formats(item) for key, item in value.items() if key not in dropped}
