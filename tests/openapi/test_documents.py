"""Reading OpenAPI documents: which routes they give, and what is said about those that can't be used."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from sp00ky_openapi import Contract, DocumentError, documents, load_contract
from sp00ky_openapi.yaml_text import YamlProblem, parse_yaml

HEAD = "openapi: 3.0.3\ninfo: {title: t, version: '1'}\n"


def load(file: Path, *ref_roots: Path) -> Contract:
    return load_contract(file, ref_roots=ref_roots)


def contract(folder: Path, text: str) -> Contract:
    file = folder / "openapi.yml"
    file.write_text(text)
    return load(file)


def refused(folder: Path, text: str) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
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
    assert {name: operation.long_name for name, operation in found.operations.items()} == {
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


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"openapi\.yml: no such file"):
        load(tmp_path / "openapi.yml")
    with pytest.raises(DocumentError, match="can't be read"):
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


BOMB = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 11)
)


def referring(folder: Path, reference: str, *ref_roots: Path) -> Contract:
    """The contract of a document of which one route refers there."""
    folder.mkdir(exist_ok=True)
    body = f"{{content: {{application/json: {{schema: {{$ref: '{reference}'}}}}}}}}"
    paths = f"paths: {{/good: {{post: {{}}}}, /a: {{post: {{requestBody: {body}}}}}}}"
    (folder / "openapi.yml").write_text(f"openapi: 3.1.0\n{paths}\n")
    return load(folder / "openapi.yml", *ref_roots)


def refusal(contract: Contract) -> str:
    """Why the one route is refused, the other being good."""
    assert contract.operation("/good") is not None
    assert contract.operation("/a") is None
    assert "\n" not in contract.unusable["/a"]
    return contract.unusable["/a"]


def test_aliases_that_expand_without_measure_are_refused() -> None:
    with pytest.raises(YamlProblem, match=r"its aliases stand for more than 1,000,000 values \(line 6, "):
        parse_yaml(BOMB)
    mapping = ", ".join(f"k{n}: v" for n in range(1_000))
    with pytest.raises(YamlProblem, match="1,000,000 values"):
        parse_yaml(f"a: &a {{{mapping}}}\n" + "".join(f"b{n}: {{<<: *a}}\n" for n in range(1_000)))


def test_a_document_that_is_a_bomb_is_refused_and_a_neighbour_costs_its_route(tmp_path: Path) -> None:
    (tmp_path / "openapi.yml").write_text(BOMB)
    with pytest.raises(DocumentError, match="its aliases stand for more") as caught:
        load(tmp_path / "openapi.yml")
    assert "\n" not in str(caught.value)
    (tmp_path / "bomb.yml").write_text(BOMB)
    assert "its aliases stand for more" in refusal(referring(tmp_path, "bomb.yml"))


@pytest.mark.parametrize(
    "text", ["a: &a [*a]", "a: &a {b: [*a]}", "a: *a", "<<: 1", "? [a]\n: b", "[" * 501 + "]" * 501]
)
def test_what_aliases_and_keys_can_not_be_is_said_with_its_place(text: str) -> None:
    with pytest.raises(YamlProblem, match=r"\(line 1, column \d+\)"):
        parse_yaml(text)


def test_references_stay_in_the_document_s_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.yml").write_text("{type: string}")
    assert "outside of the document's folder" in refusal(referring(tmp_path / "api", "../secret.yml"))
    assert "outside" in refusal(referring(tmp_path / "api", (tmp_path / "secret.yml").as_uri()))
    assert referring(tmp_path / "api", "../secret.yml", tmp_path).operation("/a") is not None


def test_symbolic_links_are_resolved_first(tmp_path: Path) -> None:
    shared, api = tmp_path / "shared", tmp_path / "api"
    shared.mkdir()
    api.mkdir()
    (shared / "a.yml").write_text("{type: string}")
    (api / "link.yml").symlink_to(shared / "a.yml")
    (api / "folder").symlink_to(shared)
    (tmp_path / "named").symlink_to(shared)
    for reference in ("link.yml", "folder/a.yml"):
        assert "outside" in refusal(referring(api, reference))
        assert referring(api, reference, tmp_path / "named").operation("/a") is not None
    (tmp_path / "moved").symlink_to(api)
    (api / "inside.yml").symlink_to(api / "real.yml")
    (api / "real.yml").write_text("{type: string}")
    assert referring(tmp_path / "moved", "inside.yml").operation("/a") is not None


@pytest.mark.parametrize("kind", ["fifo", "socket", "folder", "device", "loop", "missing"])
def test_only_regular_files_are_read(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "x.yml"
    match kind:
        case "fifo":
            os.mkfifo(file)
        case "socket":
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(os.path.relpath(file))
        case "folder":
            file.mkdir()
        case "device":
            file.symlink_to("/dev/zero")
        case "loop":
            file.symlink_to(file)
    says = {"device": "outside", "loop": "symbolic links", "missing": "no such file"}
    assert says.get(kind, "can't be read") in refusal(referring(tmp_path, "x.yml"))


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("file:///dev/zero", "outside"),
        ("file://host/x.yml", "nothing is ever fetched"),
        ("http://127.0.0.1/x.yml", "nothing is ever fetched"),
        ("ftp:x.yml", "nothing is ever fetched"),
        ("http://[", "that isn't a URI"),
        ("x%00.yml", "can't be read"),
        ("x" * 5_000, "can't be read"),
    ],
)
def test_other_references_are_not_followed(tmp_path: Path, reference: str, says: str) -> None:
    assert says in refusal(referring(tmp_path, reference))


def test_files_have_64_megabytes_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert documents.MOST_BYTES == 64 * 1024 * 1024
    monkeypatch.setattr(documents, "MOST_BYTES", 1024 * 1024)  # a real one takes its time
    (tmp_path / "x.yml").write_text("{type: string}\n" + "#" * 1024 * 1024)
    assert "more than 1 MB in all" in refusal(referring(tmp_path, "x.yml"))
    (tmp_path / "openapi.yml").write_text("#" * 1024 * 1024 + "\nopenapi: 3.1.0\npaths: {}\n")
    with pytest.raises(DocumentError, match="more than 1 MB in all"):
        load(tmp_path / "openapi.yml")


def test_the_digest_is_of_every_file(tmp_path: Path) -> None:
    digests = set()
    for text in ("{type: object}", "{type: object, required: [id]}", "{type: object}"):
        (tmp_path / "x.yml").write_text(text)
        digests.add(referring(tmp_path, "x.yml").document.digest)
    assert len(digests) == 2
