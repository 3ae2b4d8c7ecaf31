"""Requests as documents describe them: what a backend receives, judged by openapi-core."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.transport_http.judge import Judge, document_of
from tests.transport_http.samples import least_payload

from sp00ky_conformance.transport.answering import Received
from sp00ky_conformance.transport.attempts import attempt_for
from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_conformance.transport.behaviours import behaviour_of
from sp00ky_core import load_contract
from sp00ky_core.config import BackendConfig
from sp00ky_core.job.outcome import Undelivered
from sp00ky_openapi import Contract
from sp00ky_openapi.payload import nodes_of
from sp00ky_transport_http import HttpTransport

DOCUMENT = """
openapi: 3.1.0
info: {title: every style and media type, version: "1"}
components:
  schemas:
    texts: {type: array, items: {type: string}}
    numbers: {type: object, properties: {a: {type: integer}, b: {type: integer}}}
    file: {type: string, format: binary}
paths:
  /path/{text}/{list}/{object}/{exploded}.json:
    get:
      parameters:
        - {in: path, name: text, required: true, schema: {type: string}}
        - {in: path, name: list, required: true, schema: {$ref: '#/components/schemas/texts'}}
        - {in: path, name: object, required: true, schema: {$ref: '#/components/schemas/numbers'}}
        - {in: path, name: exploded, required: true, explode: true,
           schema: {$ref: '#/components/schemas/numbers'}}
      responses: {}
  /path/{label}/{matrix}:
    get:
      parameters:
        - {in: path, name: label, required: true, style: label, explode: true,
           schema: {$ref: '#/components/schemas/texts'}}
        - {in: path, name: matrix, required: true, style: matrix, explode: true,
           schema: {$ref: '#/components/schemas/numbers'}}
      responses: {}
  /query:
    get:
      parameters:
        - {in: query, name: text, schema: {type: string}}
        - {in: query, name: number, schema: {type: number}}
        - {in: query, name: flag, schema: {type: boolean}}
        - {in: query, name: list, schema: {$ref: '#/components/schemas/texts'}}
        - {in: query, name: commas, explode: false, schema: {$ref: '#/components/schemas/texts'}}
        - {in: query, name: pipes, style: pipeDelimited, explode: false,
           schema: {$ref: '#/components/schemas/texts'}}
        - {in: query, name: spaces, style: spaceDelimited, explode: false,
           schema: {$ref: '#/components/schemas/texts'}}
        - {in: query, name: deep, style: deepObject, explode: true,
           schema: {$ref: '#/components/schemas/numbers'}}
        - {in: query, name: json, content: {application/json: {schema: {type: object}}}}
        - {in: query, name: exploded, schema: {type: object}}
        - {in: header, name: X-List, schema: {$ref: '#/components/schemas/texts'}}
        - {in: header, name: X-Object, schema: {$ref: '#/components/schemas/numbers'}}
        - {in: cookie, name: crumb, schema: {type: string}}
      responses: {}
  /bytes:
    post:
      requestBody: {content: {'*/*': {schema: {$ref: '#/components/schemas/file'}}}}
      responses: {}
  /body/{id}:
    parameters: [{in: path, name: id, required: true, schema: {type: string}}]
    delete: {responses: {}}
    post:
      requestBody:
        content:
          multipart/form-data:
            schema:
              type: object
              properties:
                text: {type: string}
                list: {$ref: '#/components/schemas/texts'}
                object: {$ref: '#/components/schemas/numbers'}
      responses: {}
    put:
      requestBody:
        required: true
        content:
          text/plain: {schema: {type: string}}
          application/octet-stream: {schema: {$ref: '#/components/schemas/file'}}
          application/json:
            schema:
              type: object
              properties: {n: {type: integer}, id: {type: string, readOnly: true}}
              additionalProperties: false
      responses: {}
    patch:
      requestBody:
        content:
          application/x-www-form-urlencoded:
            schema:
              type: object
              properties:
                text: {type: string}
                list: {$ref: '#/components/schemas/texts'}
                commas: {$ref: '#/components/schemas/texts'}
                deep: {$ref: '#/components/schemas/numbers'}
            encoding: {commas: {explode: false}, deep: {style: deepObject, explode: true}}
          multipart/form-data:
            schema:
              type: object
              properties:
                text: {type: string}
                file: {$ref: '#/components/schemas/file'}
                deep: {$ref: '#/components/schemas/numbers'}
            encoding: {file: {contentType: 'image/png, image/gif'}, deep: {style: deepObject}}
          '*/*': {schema: {}}
      responses: {}
"""


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    file = tmp_path / "openapi.yml"
    file.write_text(DOCUMENT)
    return load_contract(BackendConfig(name="api", spec=file, base_url="http://api.test", table="job"))


@pytest.fixture
async def backend() -> AsyncIterator[MisbehavingBackend]:
    async with MisbehavingBackend(choose=lambda target: behaviour_of("/json")) as backend:
        yield backend


async def received(
    contract: Contract, text: str, payload: Any, backend: MisbehavingBackend, transport: HttpTransport
) -> Received:
    """Check a payload and send it; return what arrived."""
    assert contract.violations(text, payload) == []
    operation = contract.operation(text)
    assert operation is not None
    attempt = attempt_for(backend.url, operation.path, payload=payload)
    job = attrs.evolve(attempt.job, path=operation.name)
    outcome = await transport.deliver(attrs.evolve(attempt, operation=operation, job=job))
    assert not isinstance(outcome, Undelivered), outcome
    return backend.requests[-1]


QUERY = "GET /query"
PUT, PATCH = "PUT /body/{id}", "PATCH /body/{id}"
ID = {"$path": {"id": "1"}}
FORM = {"$contentType": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("operation", "payload"),
    [
        (
            "/path/{text}/{list}/{object}/{exploded}.json",
            {
                "$path": {
                    "text": "a b;ü",
                    "list": ["x", "y z"],
                    "object": {"a": 1},
                    "exploded": {"a": 1, "b": 2},
                }
            },
        ),
        (QUERY, {"$query": {}}),
        (QUERY, {"$query": {"text": "a&b=c+\u00e9#%2F", "number": 1.5, "flag": True, "list": ["a", "b,c"]}}),
        (QUERY, {"$query": {"commas": ["a", "b c"], "pipes": ["a", "b"], "deep": {"a": 1, "b": 2}}}),
        (QUERY, {"$query": {"json": {"a": [1, None]}}, "$cookie": {"crumb": "a;b=\u00e9, c"}}),
        (QUERY, {"$header": {"X-List": ["a", "b"], "X-Object": {"a": 1, "b": 2}}}),
        ("DELETE /body/{id}", ID),
        (PUT, {**ID, "$body": {"n": 1}}),
        (PUT, {**ID, "$body": "\u00e9\n", "$contentType": "text/plain"}),
        (PATCH, ID),
        (PATCH, {**ID, "$body": {"text": "a b&\u00e9", "list": ["1", "2,3"], "deep": {"a": 1}}, **FORM}),
        ("/body/{id}", {**ID, "$body": {"text": "\u00e9", "list": ["1", "2"], "object": {"a": 1}}}),
    ],
)
async def test_an_independent_reader_reads_what_was_given(
    tmp_path: Path,
    contract: Contract,
    backend: MisbehavingBackend,
    auto: HttpTransport,
    operation: str,
    payload: Any,
) -> None:
    read = Judge(document_of(tmp_path / "openapi.yml")).read(
        await received(contract, operation, payload, backend, auto)
    )
    assert read.errors == []
    parts = {f"${place}": getattr(read.parameters, place) for place in ("path", "query", "header", "cookie")}
    given = {key: value for key, value in payload.items() if value and key != "$contentType"}
    assert {key: value for key, value in {**parts, "$body": read.body}.items() if value} == given


@pytest.mark.parametrize(
    ("operation", "payload", "pointer"),
    [
        (QUERY, {"exploded": {"text": "x"}}, "/exploded/text"),
        ("/bytes", {"$body": "aGk="}, "/$contentType"),
        (PUT, {**ID, "$body": "x", "$contentType": "text/plain; charset=latin-1"}, "/$contentType"),
        (PATCH, {**ID, "$body": {"text": "x"}, "$contentType": "multipart/mixed"}, "/$contentType"),
    ],
)
async def test_what_can_not_be_sent_right_is_refused(
    contract: Contract, auto: HttpTransport, operation: str, payload: Any, pointer: str
) -> None:
    assert [violation.pointer for violation in contract.violations(operation, payload)] == [pointer]


FOLDER = os.environ.get("SP00KY_TEST_DOCUMENTS", "")
DOCUMENTS = sorted(Path(FOLDER).glob("*.[jy]*")) if FOLDER else []


@pytest.mark.slow
@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.stem)
async def test_any_document(file: Path, backend: MisbehavingBackend, auto: HttpTransport) -> None:
    """``SP00KY_TEST_DOCUMENTS`` names a folder of OpenAPI 3 documents, each of one file."""
    contract = load_contract(BackendConfig(name="api", spec=file, base_url=backend.url, table="job"))
    contract.compile()
    nodes = [
        node for operation in contract.operations.values() for node in nodes_of(operation, operation.body)
    ]
    definitions = contract.document.schemas.bundle({}, nodes)["$defs"]
    judge = Judge(document_of(file))
    refused = []
    for name, operation in contract.operations.items():
        payload = least_payload(operation, contract.document.schemas, definitions)
        if payload is None or contract.violations(name, payload):
            refused.append(name)
            continue
        request = await received(contract, name, payload, backend, auto)
        assert judge.problems(request) == [], (name, payload, request)
        backend.requests.clear()
    assert len(refused) <= len(contract.operations) / 5, refused
