"""Build the request of an attempt, or say why there is none. Pure."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from importlib.metadata import version
from secrets import token_hex
from typing import Any
from urllib.parse import quote

import attrs
from yarl import URL

from sp00ky_core.config import BackendConfig, Secret
from sp00ky_core.encoding.json_bytes import JsonObject, decode
from sp00ky_core.job.job import Job
from sp00ky_core.job.options import TRACEPARENT
from sp00ky_core.job.outcome import INVALID_PATH, INVALID_PAYLOAD, Undelivered
from sp00ky_core.ports import Attempt
from sp00ky_openapi import Operation, path_problem
from sp00ky_openapi.operation import is_explicit
from sp00ky_openapi.request_parts import (
    PartsRefused,
    RequestParts,
    may_be_explicit,
    path_pieces,
    request_parts,
)
from sp00ky_openapi.safety import (
    CLOSED_HEADERS,
    HEADER_NAME,
    HEADER_VALUE,
    KEY_HEADER,
    SIGNATURE_HEADERS,
)
from sp00ky_transport_http.redaction import Redaction
from sp00ky_transport_http.url import PathRefused, Place, ValueRefused

_OWN = ("Idempotency-Key", "Sp00ky-Attempt")

_DEFAULTS: Mapping[str, str] = {
    "Accept": "application/json, */*;q=0.5",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": f"sp00ky-transport-http/{version('sp00ky-transport-http')}",
}
"""Headers that every request has where a plugin says nothing else."""


@attrs.frozen(kw_only=True, eq=False)
class Template:
    """Hold what requests have in common, and how it goes over the wire.

    Attributes:
        method: Upper case.
        url: With the backend's origin, below its base path.
        headers: Those that aren't an attempt's own.
        has_result: A response to it may have a body that is kept.
        head: All of this as it goes over the wire in HTTP/1.1.
    """

    method: str
    url: URL
    headers: Mapping[str, str] = attrs.field(repr=False)
    has_result: bool = True
    head: bytes = attrs.field(init=False, repr=False)

    @head.default
    def _head(self) -> bytes:
        lines = "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
        return f"{self.method} {self.url.raw_path_qs} HTTP/1.1\r\n{lines}".encode()


@attrs.define(kw_only=True, eq=False)  # not frozen: faster to make, which is done for each job
class Request:
    """All that is sent, but for what frames it on a connection: Content-Length and Connection.

    Attributes:
        template: What it has in common with others.
        job_id: The job's id, as headers have it.
        own: Headers of this attempt alone; none of the template's is among them, whatever its case.
        body: The payload, byte for byte, or nothing.
    """

    template: Template
    job_id: str
    own: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """All of its headers."""
        return {**self.template.headers, **self.own}


@attrs.frozen(kw_only=True)
class _Prepared:
    operation: Operation
    template: Template | None  # where nothing but the body depends on the payload
    has_body: bool


class RequestBuilder:
    """Makes the requests for one backend; what they share is made once.

    Args:
        backend: The backend.
        at: Its ``http:`` URL, where its ``baseUrl`` is none.
    """

    def __init__(self, backend: BackendConfig, at: str | None = None) -> None:
        base_url = URL(backend.base_url if at is None else at)
        self.token: Secret | None = backend.current_token()
        self._place = Place.of(base_url)
        self._credentials = _credentials(backend, self.token, base_url)
        host = base_url.host_port_subcomponent or ""
        static = {name: secret.value for name, secret in backend.headers.items()}
        self._shared = {"Host": host, **static, **self._credentials.headers}
        self._closed = CLOSED_HEADERS.union(name.lower() for name in (*self._shared, *_OWN, "Content-Type"))
        if backend.signing_secrets:
            self._closed = self._closed.union(SIGNATURE_HEADERS)
        self.redaction: Redaction = Redaction(_secrets(backend, self._credentials, base_url))
        self._prepared: dict[str, _Prepared] = {}  # by spelling, as many as the contract has

    def build(self, attempt: Attempt) -> Request | Undelivered:
        """Build the request of an attempt.

        Its URL has the backend's origin and lies under its base path, whatever the job's path and payload:
        otherwise the job is ``invalid_path`` or ``invalid_payload``, and nothing is to be sent.

        Raises:
            ValueError: the backend's token can't stand in a header.
        """
        job, operation = attempt.job, attempt.operation
        try:
            prepared = self._prepared.get(job.path)
            if prepared is None or prepared.operation is not operation:
                prepared = self._prepare(operation, job.path)
            job_id = job.id  # one that has a '%' is escaped too, so that no two look alike
            is_plain = job_id.isascii() and job_id.isprintable() and "%" not in job_id and " " not in job_id
            job_id = job_id if is_plain else quote(job_id, safe=":", errors="surrogatepass")
            own = {"Idempotency-Key": job_id, "Sp00ky-Attempt": f"{attempt.number}"}
            if attempt.headers or job.traceparent:
                own |= _trace(attempt)
            template, body = prepared.template, job.payload_json
            if template is None or may_be_explicit(body) or not isinstance(body, JsonObject):
                payload = _payload(job)
                if template is None or is_explicit(operation, payload):
                    return self._of_parts(attempt, payload, job_id, own)
            if attempt.headers:
                added = _untraced(own, attempt.headers)
                template = self._template(operation, _fixed_parts(operation), added)
            body = body if prepared.has_body else b""
            return Request(template=template, job_id=job_id, own=own, body=body)
        except PathRefused as refused:
            return Undelivered(name=INVALID_PATH, reason=f"the path may not be requested: {refused}")
        except (ValueRefused, PartsRefused) as refused:
            return Undelivered(name=INVALID_PAYLOAD, reason=self.redaction.text(str(refused)))

    def _of_parts(
        self, attempt: Attempt, payload: Mapping[str, Any], job_id: str, own: Mapping[str, str]
    ) -> Request:
        operation, body = attempt.operation, attempt.job.payload_json
        parts = request_parts(operation, payload, new_boundary=token_hex, payload_json=body)
        keys = [text for name, text in parts.headers.items() if name.lower() == KEY_HEADER and text]
        own = {**own, "Idempotency-Key": keys[0]} if keys else own  # each attempt has the same payload
        added = _untraced(own, {**parts.headers, **attempt.headers})  # a plugin's win
        template = self._template(operation, parts, added)
        return Request(template=template, job_id=job_id, own=own, body=parts.body)

    def _prepare(self, operation: Operation, spelling: str) -> _Prepared:
        if spelling not in operation.spellings:
            raise PathRefused("it names another operation")
        if problem := path_problem(operation.path):
            raise PathRefused(problem)
        is_empty = not (operation.parameters or operation.bodies or operation.configured)
        is_fixed = operation.is_plain or is_empty
        template = self._template(operation, _fixed_parts(operation), {}) if is_fixed else None
        prepared = _Prepared(operation=operation, template=template, has_body=bool(operation.bodies))
        self._prepared[spelling] = prepared
        return prepared

    def _template(self, operation: Operation, parts: RequestParts, added: Mapping[str, str]) -> Template:
        """Return a template, with the backend's credentials; ``added`` are headers that may be refused."""
        headers = self._headers(parts.content_type, added)
        if cookie := "; ".join(filter(None, (parts.cookie, self._credentials.cookie))):
            headers = {**headers, "Cookie": cookie}
        if credential := self._credentials.query or self._credentials.cookie:
            mark = credential.partition("=")[0] + "="
            if any(text.startswith(mark) for text in (*parts.query.split("&"), *parts.cookie.split("; "))):
                raise ValueRefused("the payload has a value for what `auth` fills")
        query = "&".join(filter(None, (parts.query, self._credentials.query)))
        url, has_result = self._place.url(parts.path, query), operation.has_result
        return Template(method=operation.method, url=url, headers=headers, has_result=has_result)

    def _headers(self, content_type: str | None, added: Mapping[str, str]) -> Mapping[str, str]:
        """Return the headers that aren't the job's own; ``added`` are the payload's, and a plugin's."""
        allowed = {name.lower(): (name, value) for name, value in added.items() if self._allows(name, value)}
        defaults = {name: value for name, value in _DEFAULTS.items() if name.lower() not in allowed}
        shared = {**self._shared, "Content-Type": content_type} if content_type else self._shared
        return {**defaults, **shared, **dict(allowed.values())}

    def _allows(self, name: str, value: str) -> bool:
        """Say whether a plugin may add a header: nothing that is ours, or could change the request."""
        return bool(
            name.lower() not in self._closed and HEADER_NAME.fullmatch(name) and HEADER_VALUE.fullmatch(value)
        )


def _trace(attempt: Attempt) -> dict[str, str]:
    """Return the trace's header: a plugin continues the trace that the job was enqueued with."""
    given = [value for name, value in attempt.headers.items() if name.lower() == "traceparent"]
    traceparent = next(filter(TRACEPARENT.fullmatch, [*given, attempt.job.traceparent or ""]), None)
    return {"traceparent": traceparent} if traceparent else {}


def _untraced(own: Mapping[str, str], headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return what is added; the job's own headers win over others of their names."""
    return {name: value for name, value in headers.items() if name.lower() not in own}


def _payload(job: Job) -> dict[str, Any]:
    """Return the payload, which must be a JSON object in UTF-8. Raises ``ValueRefused``."""
    try:
        payload = decode(job.payload_json.decode())
    except ValueError as error:
        raise ValueRefused(f"the payload isn't JSON: {error}") from error
    if not isinstance(payload, dict):
        raise ValueRefused("the payload isn't a JSON object")
    return payload


def _fixed_parts(operation: Operation) -> RequestParts:
    """Return the parts of a request that no payload changes, but for its body."""
    content_type = operation.body.content_type if operation.body else None
    path = path_pieces(operation.path)[0]
    return RequestParts(path=path, query=operation.query, content_type=content_type)


@attrs.frozen(kw_only=True)
class _Credentials:
    """Hold what shows who sends a request: a header, a part of the query, or a cookie; empty: not that."""

    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    query: str = attrs.field(default="", repr=False)
    cookie: str = attrs.field(default="", repr=False)
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)


def _credentials(backend: BackendConfig, token: Secret | None, base_url: URL) -> _Credentials:
    """Return a backend's credentials. Raises ``ValueError`` where no header can hold them."""
    name, text = backend.auth_name or "", token.value if token else ""
    if backend.auth == "basic" and backend.username and backend.password:
        return _basic(backend.username.value, backend.password.value)
    if token is None:
        password = base_url.password
        return _Credentials() if password is None else _basic(base_url.user or "", password)
    if backend.auth != "apiKey":
        return _in_header("Authorization", f"Bearer {text}", text)
    if backend.auth_place == "query":
        return _Credentials(query=f"{quote(name)}={quote(text, safe='')}", secrets=(text,))
    if backend.auth_place == "cookie":
        return _Credentials(cookie=f"{name}={quote(text, safe='')}", secrets=(text,))
    return _in_header(name, f"{backend.auth_prefix or ''}{text}", text)


def _in_header(name: str, value: str, *secrets: str) -> _Credentials:
    if not HEADER_VALUE.fullmatch(value):
        raise ValueError(f"no header can hold the value of {name}")
    return _Credentials(headers={name: value}, secrets=secrets)


def _basic(username: str, password: str) -> _Credentials:
    encoded = b64encode(f"{username}:{password}".encode()).decode()
    return _in_header("Authorization", f"Basic {encoded}", password, encoded)


def _secrets(backend: BackendConfig, credentials: _Credentials, base_url: URL) -> list[str]:
    listed = (*backend.signing_secrets, *backend.headers.values())
    secrets = [*credentials.secrets, *(secret.value for secret in listed)]
    for url in (base_url, URL(backend.proxy.value if backend.proxy else "")):
        if password := url.password:
            secrets += _basic(url.user or "", password).secrets
    return secrets
