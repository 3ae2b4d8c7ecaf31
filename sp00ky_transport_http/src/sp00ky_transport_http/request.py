"""An attempt -> the request to send, or why there is none. Pure."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

import attrs
from yarl import URL

from sp00ky_core.config import BackendConfig
from sp00ky_core.contract import Route
from sp00ky_core.job import Job
from sp00ky_core.jsontext import JsonObject, decode
from sp00ky_core.outcome import INVALID_PATH, INVALID_PAYLOAD, Undelivered
from sp00ky_core.ports import Attempt
from sp00ky_transport_http.redaction import Redaction
from sp00ky_transport_http.url import PathRefused, Place, RoutePath, ValueRefused, scalar_text

__all__ = ["Request", "RequestBuilder"]

_QUERY_METHODS = frozenset({"GET", "HEAD"})  # their requests have no body: the payload is the query
_PLAIN_ID = re.compile(r"[!-$&-~]+")  # no '%': an id that has one is escaped, so that no two ids look alike
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t -~\xa0-\xff]*")
_CLOSED = frozenset(
    # what a request is made of and what belongs to its connection: no plugin's business
    {
        "accept-encoding",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

_OWN = ("Idempotency-Key", "Sp00ky-Attempt")

_DEFAULTS: Mapping[str, str] = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": f"sp00ky-transport-http/{version('sp00ky-transport-http')}",
}
"""What every request has where a plugin says nothing else."""


@attrs.frozen(kw_only=True)
class Request:
    """All that is sent."""

    method: str
    url: URL
    message: bytes = attrs.field(repr=False)  # the whole of it: request line, headers, body


@attrs.frozen(kw_only=True)
class _PreparedRoute:
    route: Route
    path: RoutePath
    url: URL | None  # where neither the path nor the query depends on the payload
    head: bytes = b""  # there, the request line and the headers that every job shares


class RequestBuilder:
    """Makes the requests for one backend; what they share is made once."""

    def __init__(self, backend: BackendConfig) -> None:
        base_url = URL(backend.base_url)
        self.backend = backend
        self._place = Place.of(base_url)
        self._shared = _shared_headers(backend, base_url)
        self._closed = _CLOSED.union(name.lower() for name in (*self._shared, *_OWN))
        self.redaction = Redaction(_secrets(backend, base_url))
        self._routes: dict[str, _PreparedRoute] = {}  # as many as the contract has

    def build(self, attempt: Attempt) -> Request | Undelivered:
        """The request of an attempt.

        Its URL has the backend's origin and lies under its base path, whatever the job's path and payload:
        otherwise the job is ``invalid_path`` or ``invalid_payload``, and nothing is to be sent.

        Raises:
            ValueError: the backend's token can't stand in a header.
        """
        try:
            return self._request(attempt)
        except PathRefused as refused:
            return Undelivered(name=INVALID_PATH, reason=f"the path may not be requested: {refused}")
        except ValueRefused as refused:
            return Undelivered(name=INVALID_PAYLOAD, reason=self.redaction.text(str(refused)))

    def _request(self, attempt: Attempt) -> Request:
        job, route = attempt.job, attempt.route
        prepared = self._routes.get(route.path)
        if prepared is None or prepared.route is not route:
            prepared = self._prepare(route)
        if job.path != route.path:
            raise PathRefused("it is not the path of its route")
        url, head = prepared.url, prepared.head
        if url is None:
            url = self._url(prepared, _payload(job))
            head = self._head(route.method, url)
        elif not isinstance(job.payload_json, JsonObject):
            _payload(job)
        if attempt.headers:
            head = self._head(route.method, url, _added(attempt))
        body = b"" if route.method in _QUERY_METHODS else job.payload_json
        return Request(method=route.method, url=url, message=b"".join((head, _own_head(attempt, body), body)))

    def _prepare(self, route: Route) -> _PreparedRoute:
        path = RoutePath.of(route.path)
        depends = path.names or route.query_parameters or route.method in _QUERY_METHODS
        url = None if depends else self._place.url(path.literals[0])
        head = b"" if url is None else self._head(route.method, url)
        prepared = _PreparedRoute(route=route, path=path, url=url, head=head)
        self._routes[route.path] = prepared
        return prepared

    def _url(self, prepared: _PreparedRoute, payload: Mapping[str, Any]) -> URL:
        path, route = prepared.path.filled(payload), prepared.route
        if route.method not in _QUERY_METHODS:
            payload = {name: payload[name] for name in route.query_parameters if name in payload}
        query = urlencode([*_pairs(payload, frozenset(prepared.path.names))])
        return self._place.url(path, query) if query else self._place.url(path)

    def _head(self, method: str, url: URL, added: Mapping[str, str] = MappingProxyType({})) -> bytes:
        """The request line and the headers that aren't the job's own; ``added`` are a plugin's."""
        allowed = {name.lower(): (name, value) for name, value in added.items() if self._allows(name, value)}
        defaults = {name: value for name, value in _DEFAULTS.items() if name.lower() not in allowed}
        headers = {"Host": url.host_port_subcomponent or "", **defaults, **self._shared}
        lines = [f"{method} {url.raw_path_qs} HTTP/1.1", *map(_line, headers.items())]
        return "".join(f"{line}\r\n" for line in (*lines, *map(_line, allowed.values()))).encode()

    def _allows(self, name: str, value: str) -> bool:
        """Whether a plugin may add a header: nothing that is ours, or could change the request."""
        return bool(
            name.lower() not in self._closed
            and _HEADER_NAME.fullmatch(name)
            and _HEADER_VALUE.fullmatch(value)
        )


def _own_head(attempt: Attempt, body: bytes) -> bytes:
    """The headers that are the job's own, and the end of the head."""
    job = attempt.job
    lines = f"Idempotency-Key: {_header_text(job.id)}\r\nSp00ky-Attempt: {attempt.number}\r\n"
    if _is_traced(job):
        lines += f"traceparent: {job.traceparent}\r\n"
    if attempt.last:
        lines += "Connection: close\r\n"
    if body:
        lines += f"Content-Length: {len(body)}\r\n"
    return f"{lines}\r\n".encode()


def _is_traced(job: Job) -> bool:
    return bool(job.traceparent and _TRACEPARENT.fullmatch(job.traceparent))


def _added(attempt: Attempt) -> Mapping[str, str]:
    """What plugins add; the traceparent that the job was enqueued with wins over theirs."""
    traced = _is_traced(attempt.job)
    return {n: value for n, value in attempt.headers.items() if not traced or n.lower() != "traceparent"}


def _line(header: tuple[str, str]) -> str:
    name, value = header
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"no header can hold the value of {name}")
    return f"{name}: {value}"


def _payload(job: Job) -> dict[str, Any]:
    """The payload, which must be a JSON object in UTF-8. Raises ``ValueRefused``."""
    try:
        payload = decode(job.payload_json.decode())
    except ValueError as error:
        raise ValueRefused(f"the payload is no JSON: {error}") from error
    if not isinstance(payload, dict):
        raise ValueRefused("the payload is no JSON object")
    return payload


def _pairs(payload: Mapping[str, Any], filled: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The payload as a query: arrays repeat their key, null is left out, and so is what the path holds."""
    for key, value in payload.items():
        if key in filled:
            continue
        where = f"the query parameter {key[:80]!r}"
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                yield scalar_text(key, where), scalar_text(item, where)


def _shared_headers(backend: BackendConfig, base_url: URL) -> Mapping[str, str]:
    headers = {"Content-Type": "application/json"}
    if backend.token is not None:
        headers["Authorization"] = f"Bearer {backend.token.value}"
    elif base_url.password is not None:
        headers["Authorization"] = f"Basic {_basic(base_url)}"
    return headers


def _basic(base_url: URL) -> str:
    return b64encode(f"{base_url.user or ''}:{base_url.password or ''}".encode()).decode()


def _secrets(backend: BackendConfig, base_url: URL) -> list[str]:
    secrets = [backend.token.value] if backend.token else []
    if base_url.password:
        secrets += [base_url.password, _basic(base_url)]
    return secrets


def _header_text(text: str) -> str:
    """The text where a header can hold it as it is, else percent-encoded; different texts stay different."""
    return text if _PLAIN_ID.fullmatch(text) else quote(text, safe=":", errors="surrogatepass")
