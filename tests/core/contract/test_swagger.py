"""Swagger 2.0 documents are read as OpenAPI's are."""

from pathlib import Path

import pytest
from tests.core.contract.small import load

from sp00ky_core.contract import Contract, request_parts
from sp00ky_core.errors import Violation

DOCUMENT = """\
swagger: "2.0"
host: evil.test
basePath: /v2
consumes: [application/json]
securityDefinitions:
  key: {type: apiKey, in: header, name: X-Key}
  user: {type: basic}
security: [{key: []}]
definitions:
  Pet:
    required: [name]
    properties: {name: {type: string}, kind: {$ref: '#/definitions/Kind'}}
    type: object
  Kind: {enum: [cat, dog]}
parameters:
  Page: {in: query, name: page, type: integer, maximum: 9}
paths:
  /pets:
    parameters: [{$ref: '#/parameters/Page'}]
    post:
      operationId: addPet
      parameters:
        - {in: body, name: anything, required: true, schema: {$ref: '#/definitions/Pet'}}
    get:
      security: [{user: []}]
      parameters:
        - {in: query, name: csv, type: array, items: {type: string}}
        - {in: query, name: multi, type: array, items: {type: string}, collectionFormat: multi}
        - {in: query, name: ssv, type: array, items: {type: string}, collectionFormat: ssv}
        - {in: query, name: tsv, type: array, items: {type: string}, collectionFormat: tsv}
        - {in: query, name: pipes, type: array, items: {type: string}, collectionFormat: pipes}
  /pets/{id}:
    post:
      consumes: [multipart/form-data, application/x-www-form-urlencoded]
      parameters:
        - {in: path, name: id, required: true, type: integer}
        - {in: formData, name: name, required: true, type: string, pattern: '^[a-z]+$'}
        - {in: formData, name: tags, type: array, items: {type: string}}
    put:
      parameters:
        - {in: path, name: id, required: true, type: integer}
        - {in: formData, name: photo, type: file}
  /mixed:
    post: {operationId: mixed, consumes: [multipart/mixed], parameters: [{in: body, name: b, schema: {}}]}
    put: {operationId: parts, consumes: [multipart/mixed], parameters: [{in: formData, name: f}]}
  /any:
    post: {consumes: ['*/*'], parameters: [{in: body, name: b, schema: {type: object}}]}
  /odd:
    post: {parameters: [{in: formData, name: odd, type: any}]}
"""


@pytest.fixture
def pets(tmp_path: Path) -> Contract:
    (tmp_path / "swagger.yml").write_text(DOCUMENT)
    return load(tmp_path / "swagger.yml")


def test_form_data_is_a_form(pets: Contract) -> None:
    operation = pets.operations["/pets/{id}"]
    assert [body.format for body in operation.bodies] == ["multipart", "form"]
    payload = {"$path": {"id": 1}, "$body": {"name": "a", "tags": ["x", "y"]}}
    payload["$contentType"] = "application/x-www-form-urlencoded"
    found = request_parts(operation, payload, new_boundary=str)
    assert (found.path, found.body) == ("/pets/1", b"name=a&tags=x,y")
    assert [each.pointer for each in pets.violations("/pets/{id}", {"id": "1", "name": "A"})] == [
        "/id",
        "/name",
    ]
    (misspelt,) = pets.violations("/pets/{id}", {"id": 1, "name": "a", "tag": ["x"]})
    assert str(misspelt) == "/tag: unknown property; did you mean 'tags'?"
    upload = pets.operations["PUT /pets/{id}"]
    assert b"\r\n\r\n\0\0\0\r\n" in request_parts(upload, {"id": 1, "photo": "AAAA"}, new_boundary=str).body


def test_a_range_that_takes_json_is_sent_as_json(pets: Contract) -> None:
    assert request_parts(pets.operations["/any"], {}, new_boundary=str).content_type == "application/json"


def test_what_is_wrong_is_said_with_its_place(pets: Contract) -> None:
    (violation,) = pets.violations("/odd", {})
    assert isinstance(violation, Violation)
    assert "#/paths/~1odd/post/parameters/0/type" in violation.message


@pytest.mark.parametrize("text", ["/mixed", "mixed", "PUT /mixed", "parts"])
def test_what_can_t_be_written_is_unusable(pets: Contract, text: str) -> None:
    assert pets.operation(text) is None
    assert pets.why_not(text) == "it takes multipart/mixed, and a job can't be sent as that"


def test_security_is_read(pets: Contract) -> None:
    schemes = {name: each.security[0][0] for name, each in pets.operations.items() if each.security}
    assert (schemes["/pets"].type, schemes["/pets"].place, schemes["/pets"].key) == (
        "apiKey",
        "header",
        "X-Key",
    )
    assert schemes["GET /pets"].type == "basic"
