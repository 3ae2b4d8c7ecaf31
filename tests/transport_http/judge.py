"""openapi-core as the judge of requests that a backend received: it knows nothing of this project."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, unquote

from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.unmarshalling.request.datatypes import RequestUnmarshalResult
from werkzeug.datastructures import Headers, ImmutableMultiDict

from sp00ky_conformance.transport.answering import Received

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_FORMATS = ("date", "date-time", "uuid", "byte", "binary", "int32", "int64", "float", "double")
_ORIGIN = "http://judge.test"


class Judge:
    """Reads requests as a document describes them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        known = {**_without_formats(document), "servers": [{"url": _ORIGIN}]}
        self._openapi = OpenAPI.from_dict(known, config=Config(spec_validator_cls=None))

    def read(self, received: Received) -> RequestUnmarshalResult:
        """Return what a request says; its ``errors`` are in what it breaks the document."""
        return self._openapi.unmarshal_request(_Request(received))


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
    dropped = {"format"} if unknown else set()
    if "operationId" in value or "responses" in value:
        dropped |= {"security", "servers"}
    return {key: _without_formats(item) for key, item in value.items() if key not in dropped}
