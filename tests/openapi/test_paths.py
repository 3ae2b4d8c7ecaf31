"""What of a document can't be called or understood costs that route alone, and says why."""

from pathlib import Path

import pytest
from tests.openapi.small import load

from sp00ky_openapi import Contract, load_contract
from sp00ky_openapi.request_parts import request_parts
from sp00ky_openapi.violations import Violation

BESIDE = "/good: {post: {}}"


def contract(folder: Path, paths: str, more: str = "") -> Contract:
    """The contract of a document with these paths, and one that is good."""
    (folder / "openapi.yml").write_text(f"openapi: 3.1.0\npaths:\n  {BESIDE}\n  {paths}\n{more}\n")
    return load_contract(folder / "openapi.yml")


@pytest.mark.parametrize(
    ("path", "item", "reason"),
    [
        ("/a", "{summary: s, parameters: []}", "no method"),
        ("/a", "{additionalOperations: {COPY: {}}, x-post: {}}", "no method"),
        ("/a", "{get: }", "no method"),
        ("/a", "text", "expected a mapping"),
        ("/a", "", "expected a mapping"),
        ("/a", "{post: text}", "expected a mapping"),
        ("/a", "{$ref: '#/nope'}", "leads nowhere"),
        ("/a", "{$ref: gone.yml}", "no such file"),
        ("/a", "{$ref: '#/paths/~1a'}", "circle"),
        ("/a", "{post: {parameters: [{$ref: '#/nope'}]}}", "leads nowhere"),
        ("/a", "{trace: {}}", "no method"),
        ("/a", "{post: {parameters: [{in: cookie, name: 's d', required: true}]}}", "the cookie 's d'"),
        ("/a", "{get: {parameters: [{in: querystring, name: q, required: true}]}}", "the querystring 'q'"),
        ("/a", "{post: {parameters: [{in: header, name: a b, required: true}]}}", "the header 'a b'"),
        ("/a", "{post: {requestBody: {content: {multipart/mixed: {}}}}}", "it takes multipart/mixed"),
        ("/a", '{post: {requestBody: {content: {"multipart/a\\nb": {}}}}}', "it takes multipart/a b"),
        ("/a", "{get: {requestBody: {required: true}}}", "it requires a body, and a GET has none"),
        ("a", "{post: {}}", "start with '/'"),
        ("/a?", "{post: {}}", "'?'"),
        ("/a?b=é", "{post: {}}", "percent-encoded"),
        ("/a?b={b}", "{post: {}}", "declare what varies"),
        ("/a?b=1#c", "{post: {}}", "percent-encoded"),
        ("/a", "{post: {parameters: [{in: query, required: true}]}}", "a parameter in: query without a name"),
        ("/a/../b", "{post: {}}", "segments"),
        ("//x.test/b", "{post: {}}", "single"),
        ("/a/{b", "{post: {}}", "{name}"),
        ("/a/{}", "{post: {}}", "{name}"),
    ],
)
def test_a_path_that_can_not_be_called_says_why(tmp_path: Path, path: str, item: str, reason: str) -> None:
    found = contract(tmp_path, f"'{path}': {item}")
    assert list(found.operations) == ["/good"]
    assert list(found.unusable) == [path]
    assert reason in found.unusable[path]
    assert found.operation(path) is None
    assert found.operation("/good") is not None


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("{type: any}", "components/schemas/A"),
        ("{$ref: '#/nope'}", "'#/nope' leads nowhere"),
        ("{$ref: '#nope'}", "'#nope' leads nowhere"),
        ("{$ref: 'https://evil.test/x.yml'}", "nothing is ever fetched"),
        ("{$ref: '#/components/schemas/A'}", "circle"),
        ("{pattern: '['}", "can't be used"),
        ("{required: 1}", "components/schemas/A/required"),
        ("text", "schemas/A is none"),
        ("[]", "schemas/A is none"),
        ("{properties: {a: 1}}", "schemas/A/properties/a is none"),
        ("{properties: [a]}", "schemas/A/properties"),
        ("{allOf: {type: object}}", "schemas/A/allOf"),
        ("{minLength: .nan}", "can't be used"),
        ("{enum: [" + "[" * 450 + "]" * 450 + "]}", "can't be used"),
        ("{items: " * 450 + "{}" + "}" * 450, "nested too deeply | Recursion limit reached"),
    ],
)
def test_a_schema_that_is_not_understood_makes_its_routes_unusable(
    tmp_path: Path, schema: str, reason: str
) -> None:
    def taking(schema: str) -> str:
        return f"{{post: {{requestBody: {{content: {{application/json: {{schema: {schema}}}}}}}}}}}"

    deep = taking("{properties: {x: {items: {$ref: '#/components/schemas/A'}}}}")
    found = contract(tmp_path, f"/a: {deep}", f"components: {{schemas: {{A: {schema}}}}}")
    assert list(found.operations) == ["/good", "/a"], "nothing is compiled before it is needed"
    assert found.operation("/a") is None
    assert any(words in found.unusable["/a"] for words in reason.split(" | "))
    assert "\n" not in found.unusable["/a"]
    assert list(found.operations) == ["/good"]
    found.compile()
    assert list(found.unusable) == ["/a"]


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
    assert [violation.pointer for violation in pets.violations("/pets/{id}", {"id": "1", "name": "A"})] == [
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
