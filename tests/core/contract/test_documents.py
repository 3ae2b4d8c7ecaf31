"""Reading OpenAPI documents: which routes they give, and what is said about those that can't be used."""

import json
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.config import BackendConfig
from sp00ky_core.contract import Contract, load_contract
from sp00ky_core.errors import ContractError

HEAD = "openapi: 3.0.3\ninfo: {title: t, version: '1'}\n"


def load(file: Path) -> Contract:
    return load_contract(BackendConfig(name="api", spec=file, base_url="http://x.test", table="job"))


def contract(folder: Path, text: str) -> Contract:
    file = folder / "openapi.yml"
    file.write_text(text)
    return load(file)


def refused(folder: Path, text: str) -> ContractError:
    with pytest.raises(ContractError) as caught:
        contract(folder, text)
    assert caught.value.file == str(folder / "openapi.yml")
    assert "\n" not in str(caught.value)
    return caught.value


def test_an_operation_is_named_by_its_path_where_that_is_clear(tmp_path: Path) -> None:
    paths: dict[str, Any] = {
        "/a": {"get": {}, "post": {}, "delete": {}},
        "/b": {"put": {}, "options": {}, "summary": "b"},
        "/c": {"patch": {}},
        "/d": {"delete": {}},
        "/e": {"get": {}},
        "/none": {"options": {}, "head": {}},
        "x-more": "anything",
    }
    found = contract(tmp_path, HEAD + json.dumps({"paths": paths})[1:-1])
    assert {name: each.long_name for name, each in found.operations.items()} == {
        "/a": "POST /a",
        "GET /a": "GET /a",
        "DELETE /a": "DELETE /a",
        "/b": "PUT /b",
        "OPTIONS /b": "OPTIONS /b",
        "/c": "PATCH /c",
        "/d": "DELETE /d",
        "/e": "GET /e",
        "HEAD /none": "HEAD /none",
        "OPTIONS /none": "OPTIONS /none",
    }
    assert "'HEAD /none', 'OPTIONS /none'" in found.why_not("/none")


def test_yaml_keys_and_values_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    text = """
paths:
  /a:
    post:
      responses: {200: {description: ok}, default: {description: no}}
      requestBody:
        content:
          application/json:
            schema:
              type: object
              example: {when: 2020-01-01, nan: .nan, on: 1}
              properties: {on: {type: boolean}, 1: {type: string}, null: {type: string}}
"""
    violations = contract(tmp_path, HEAD + text).violations("/a", {"on": 1, "1": 1, "null": 1})
    assert [violation.pointer for violation in violations] == ["/1", "/null", "/on"]


def test_neighbouring_files_are_followed(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "types.yml").write_text(
        "defs:\n"
        "  Name: {type: string, nullable: true}\n"
        "  Who: {properties: {name: {$ref: '#/defs/Name'}, more: {$ref: ../more.json}}}\n"
    )
    (tmp_path / "more.json").write_text('{"type": "integer"}')
    (tmp_path / "items.yml").write_text(
        "greet: {post: {requestBody: {$ref: '#/body'}}}\n"
        "body: {content: {application/json: {schema: {$ref: 'shared/types.yml#/defs/Who'}}}}"
    )
    found = contract(tmp_path, HEAD + "paths: {/greet: {$ref: 'items.yml#/greet'}}")
    assert found.violations("/greet", {"name": None, "more": 1}) == []
    violations = found.violations("/greet", {"name": 1, "more": "x"})
    assert [violation.pointer for violation in violations] == ["/more", "/name"]


@pytest.mark.parametrize(
    "reference", ["http://evil.test/x.yml#/A", "https://evil.test/x.yml", "//evil.test/x.yml"]
)
def test_nothing_is_ever_fetched(tmp_path: Path, reference: str) -> None:
    body = f"{{content: {{application/json: {{schema: {{properties: {{a: {{$ref: '{reference}'}}}}}}}}}}}}"
    found = contract(tmp_path, HEAD + f"paths: {{/a: {{post: {{requestBody: {body}}}}}, /b: {{post: {{}}}}}}")
    assert found.operation("/a") is None
    assert "nothing is ever fetched" in found.unusable["/a"]
    assert found.operation("/b") is not None


def test_a_missing_file_names_the_backend(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"openapi\.yml: no such file; .*'api'"):
        load(tmp_path / "openapi.yml")
    with pytest.raises(ContractError, match=r"can't be read.*; .*`spec` of the backend 'api' in sp00ky\.yml"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("", "", "n't an OpenAPI document"),
        ("- a", "", "n't an OpenAPI document"),
        ("just text", "", "n't an OpenAPI document"),
        ("a: [", "", "no valid YAML"),
        ("swagger: '1.2'\npaths: {}", "swagger", "use '2.0'"),
        ("info: {}", "openapi", "missing"),
        ("openapi: 2.0.0\npaths: {}", "openapi", "not supported"),
        ("openapi: 4.0.0\npaths: {}", "openapi", "not supported"),
        (HEAD, "paths", "missing"),
        (HEAD + "paths: []", "paths", "isn't a mapping"),
        (HEAD + "paths: {$ref: gone.yml}", "", "no such file"),
        (HEAD + "paths: {/a: {post: {}}, /a: {get: {}}}", "", "twice"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(tmp_path: Path, text: str, key: str, says: str) -> None:
    error = refused(tmp_path, text)
    assert error.key.startswith(key)
    assert says in error.problem
