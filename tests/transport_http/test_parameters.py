"""What of a payload goes into the query and the headers of a request, without a socket and over one."""

from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from sp00ky_conformance.transport.attempts import attempt_for
from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_core import Outbox
from sp00ky_core.cli.check import unmet_security
from sp00ky_core.config import Secret
from sp00ky_core.errors import PayloadInvalid
from sp00ky_core.job.job import JobStatus, NewJob
from sp00ky_core.job.outcome import Undelivered
from sp00ky_openapi import Body, Operation, Parameter
from sp00ky_openapi.operation import PLACES, Place
from sp00ky_transport_http.request import Request, RequestBuilder

TRACEPARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


def operation(place: Place, *names: str, path: str = "/t", **options: Any) -> Operation:
    parameters = tuple(Parameter(place=place, name=name, **options) for name in names)
    return Operation(path=path, parameters=parameters, bodies=(Body(),))


HEADERS = operation("header", "X-Trace", "User-Agent", "traceparent")


def sent(operation: Operation, payload: Any, **options: Any) -> Request | Undelivered:
    job = {name: options.pop(name) for name in ("traceparent",) if name in options}
    attempt = attempt_for("http://api.test", operation.name, payload=payload, **options)
    attempt = attrs.evolve(attempt, operation=operation, job=attrs.evolve(attempt.job, **job))
    return RequestBuilder(attempt.backend).build(attempt)


def headers_of(request: Request | Undelivered) -> dict[str, str]:
    assert isinstance(request, Request), request
    headers = dict(request.headers)
    assert len({name.lower() for name in headers}) == len(headers), "a header is there twice"
    return headers


@pytest.mark.parametrize("payload", [{}, {"X-Trace": None}])
def test_a_required_parameter_that_a_row_lacks_is_refused(payload: Any) -> None:
    for place in PLACES[1:]:
        outcome = sent(operation(place, "X-Trace", required=True), payload)
        assert isinstance(outcome, Undelivered)
        assert (outcome.name, outcome.is_retryable) == ("invalid_payload", False)
        assert outcome.reason == "/X-Trace: it is missing"


def test_a_plugin_s_header_and_the_job_s_traceparent_win() -> None:
    payload = {"X-Trace": "theirs", "User-Agent": "agent/1", "traceparent": "theirs"}
    headers = headers_of(sent(HEADERS, payload, headers={"x-trace": "plugin"}, traceparent=TRACEPARENT))
    assert (headers["x-trace"], headers["User-Agent"]) == ("plugin", "agent/1")
    assert headers["traceparent"] == TRACEPARENT
    assert headers_of(sent(HEADERS, payload))["traceparent"] == "theirs"


@pytest.mark.parametrize(
    "name", ["Host", "Authorization", "Content-Length", "Connection", "Sp00ky-Attempt", "Transfer-Encoding"]
)
def test_no_payload_sets_what_a_request_is_made_of(name: str) -> None:
    without = headers_of(sent(operation("header"), {name: "evil"}))
    assert headers_of(sent(operation("header", name), {name: "evil"})) == without


DOCUMENT = """\
openapi: 3.0.3
paths:
  /echo/{id}:
    parameters:
      - {in: path, name: id, required: true, schema: {type: string}}
      - {in: header, name: X-Tenant, required: true, schema: {type: string, maxLength: 5}}
      - {in: header, name: X-Tags, schema: {type: array, items: {type: string}}}
      - {in: header, name: Accept, required: true}
      - {in: header, name: content-type, required: true}
      - {in: header, name: Authorization, required: true}
      - {in: header, name: Idempotency-Key, required: true}
      - {in: query, name: page, schema: {type: integer, format: int32}}
    post:
      requestBody:
        content:
          application/json: {schema: {properties: {text: {type: string}}, additionalProperties: false}}
"""
PATH = "/echo/{id}"


@pytest.fixture
async def server() -> AsyncIterator[MisbehavingBackend]:
    async with MisbehavingBackend() as server:
        yield server


@pytest.fixture
async def outbox(tmp_path: Path, server: MisbehavingBackend) -> AsyncIterator[Outbox]:
    (tmp_path / "openapi.yml").write_text(DOCUMENT)
    backend = f"{{spec: openapi.yml, baseUrl: '{server.url}', method: {{table: job}}}}"
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{api: {backend}}}\nstore: memory://\n")
    async with Outbox.open(tmp_path / "sp00ky.yml", store="memory://") as outbox:
        yield outbox


async def ended(outbox: Outbox, job_id: str) -> JobStatus:
    async with outbox.runner():
        async for seen in outbox.watch(job_id):
            status = seen.status
    return status


async def test_a_job_without_a_required_header_is_refused(outbox: Outbox, server: MisbehavingBackend) -> None:
    for payload, pointer in [
        ({"id": "1"}, "/X-Tenant"),
        ({"id": "1", "X-Tenant": "acme inc"}, "/X-Tenant"),
        ({"id": "1", "X-Tenant": "a\nb"}, "/X-Tenant"),
        ({"id": "1", "X-Tenant": "caf\xe9"}, "/X-Tenant"),
        ({"id": "1", "X-Tenant": "a", "X-Tags": ["a\x7f"]}, "/X-Tags"),
        ({"id": "1", "X-Tenant": "a", "page": 2**31}, "/page"),
    ]:
        with pytest.raises(PayloadInvalid) as caught:
            await outbox.run("api", PATH, payload)
        assert [violation.pointer for violation in caught.value.violations] == [pointer]
    assert await outbox.find() == []


SECURED = """\
openapi: 3.0.3
components: {securitySchemes: {key: {type: apiKey, in: %s, name: X-Key}}}
security: [{key: []}]
paths:
  /echo:
    put:
      parameters:
        - {in: %s, name: X-Key, required: true, schema: {type: string}}
        - {in: query, name: page, schema: {type: integer}}
        - {in: cookie, name: lang, schema: {type: string}}
"""


@pytest.mark.parametrize(
    ("place", "target", "header", "value"),
    [
        ("header", "/echo?page=2", "x-key", "s3cr3t&key"),
        ("query", "/echo?page=2&X-Key=s3cr3t%26key", "x-key", None),
        ("cookie", "/echo?page=2", "cookie", "lang=a%20b; X-Key=s3cr3t%26key"),
    ],
)
async def test_a_key_is_sent_where_the_document_has_it_and_no_payload_may(
    tmp_path: Path, server: MisbehavingBackend, place: str, target: str, header: str, value: str | None
) -> None:
    (tmp_path / "openapi.yml").write_text(SECURED % (place, place))
    auth = f"{{type: apiKey, in: {place}, name: X-Key, token: s3cr3t&key}}"
    backend = f"{{spec: openapi.yml, baseUrl: '{server.url}', method: {{table: job}}, auth: {auth}}}"
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{api: {backend}}}\nstore: memory://\n")
    async with Outbox.open(tmp_path / "sp00ky.yml", store="memory://") as outbox:
        contract = outbox.backends["api"].contract
        assert unmet_security(contract.operations["/echo"], outbox.config.backends["api"]) is None
        for payload in ({"X-Key": "theirs"}, {f"${place}": {"X-Key": "theirs"}}):
            with pytest.raises(PayloadInvalid, match="filled from the backend's `auth`"):
                await outbox.run("api", "PUT /echo", payload)
        job = await outbox.run("api", "PUT /echo", {"page": 2, "lang": "a b"})
        assert job.path == "/echo"
        assert await ended(outbox, job.id) is JobStatus.SUCCESS
        (forged,) = await outbox.store.add([NewJob(path="/echo", payload={"X-Key": "theirs"}, backend="api")])
        assert await ended(outbox, forged.id) is JobStatus.FAILED
        assert (await outbox.get(forged.id)).errors[0].name == "invalid_payload"
    (request,) = server.requests
    headers = {name.lower(): text for name, text in request.headers.items()}
    assert (request.method, request.target, headers.get(header)) == ("PUT", target, value)
    assert (request.body, headers.get("content-type")) == (b"", None)


def test_a_user_and_a_password_are_sent_and_hidden() -> None:
    attempt = attempt_for("http://api.test", "/t", token=None)
    user, password = Secret("ghost"), Secret("b\xf6o-b\xf6o")
    backend = attrs.evolve(attempt.backend, auth="basic", username=user, password=password)
    builder = RequestBuilder(backend)
    request = builder.build(attrs.evolve(attempt, backend=backend))
    encoded = b64encode(f"ghost:{password.value}".encode()).decode()
    assert headers_of(request)["Authorization"] == f"Basic {encoded}"
    assert builder.redaction.text(f"{encoded} {password.value}") == "*** ***"


OF_ITS_OWN = """\
openapi: 3.0.3
paths:
  /fails?again=1:
    post:
      parameters: [{in: header, name: idempotency-key, required: true, schema: {type: string}}]
      requestBody: {content: {application/json: {schema: {type: object}}}}
"""


@pytest.mark.parametrize(("payload", "key"), [({"idempotency-key": "order 7%"}, "order 7%"), ({}, None)])
async def test_a_key_of_the_caller_s_own_is_sent_with_each_attempt(
    tmp_path: Path, server: MisbehavingBackend, payload: Any, key: str | None
) -> None:
    (tmp_path / "openapi.yml").write_text(OF_ITS_OWN)
    retry = "retry: {maxRetries: 2, base: 0}"
    backend = f"{{spec: openapi.yml, baseUrl: '{server.url}', method: {{}}, {retry}}}"
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{api: {backend}}}\nstore: memory://\n")
    async with Outbox.open(tmp_path / "sp00ky.yml", store="memory://") as outbox:
        job = await outbox.run("api", "/fails?again=1", {**payload, "n": 1})
        assert await ended(outbox, job.id) is JobStatus.FAILED
    sent = [(request.target, request.headers["idempotency-key"], request.body) for request in server.requests]
    assert sent == [("/fails?again=1", key or job.id, b'{"n":1}')] * 3
    assert [request.headers["sp00ky-attempt"] for request in server.requests] == ["1", "2", "3"]
