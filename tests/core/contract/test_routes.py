"""What of a document can't be called or understood costs that route alone, and says why."""

from pathlib import Path
from typing import Any

import pytest

from sp00ky_core import Outbox
from sp00ky_core.config import BackendConfig
from sp00ky_core.contract import Contract, load_contract
from sp00ky_core.errors import UnknownRoute
from sp00ky_core.job import NewJob
from sp00ky_core.testing.scripted import ScriptedTransport

BESIDE = "/good: {post: {}}"


def contract(folder: Path, paths: str, more: str = "") -> Contract:
    """The contract of a document with these paths, and one that is good."""
    (folder / "openapi.yml").write_text(f"openapi: 3.1.0\npaths:\n  {BESIDE}\n  {paths}\n{more}\n")
    backend = BackendConfig(name="api", spec=folder / "openapi.yml", base_url="http://x.test", table="job")
    return load_contract(backend)


@pytest.mark.parametrize(
    ("path", "item", "reason"),
    [
        ("/a", "{get: {}, delete: {}}", "get, delete and no post"),
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
        ("/a", "{post: {parameters: [{in: cookie, name: sid, required: true}]}}", "the cookie 'sid'"),
        ("/a", "{get: {parameters: [{in: querystring, name: q, required: true}]}}", "the querystring 'q'"),
        ("/a", "{post: {parameters: [{in: header, name: a b, required: true}]}}", "the header 'a b'"),
        ("/a", "{post: {requestBody: {content: {text/csv: {}}}}}", "it takes text/csv"),
        ("/a", '{post: {requestBody: {content: {"text/a\\nb": {}}}}}', "it takes text/a b"),
        ("a", "{post: {}}", "start with '/'"),
        ("/a?b=1", "{post: {}}", "'?'"),
        ("/a/../b", "{post: {}}", "segments"),
        ("//x.test/b", "{post: {}}", "single"),
        ("/a/{b", "{post: {}}", "{name}"),
        ("/a/{}", "{post: {}}", "{name}"),
    ],
)
def test_a_path_that_can_not_be_called_says_why(tmp_path: Path, path: str, item: str, reason: str) -> None:
    found = contract(tmp_path, f"'{path}': {item}")
    assert list(found.routes) == ["/good"]
    assert list(found.unusable) == [path]
    assert reason in found.unusable[path]
    assert found.route(path) is None
    assert found.route("/good") is not None


@pytest.mark.parametrize(
    "schema",
    [
        "{type: object, properties: {page: {type: integer}}}",
        "{$ref: '#/components/schemas/Page'}",
        "{nullable: true, allOf: [{$ref: '#/components/schemas/Page'}]}",
        "{type: [object, 'null']}",
    ],
)
@pytest.mark.parametrize("place", ["query", "header", "path"])
def test_a_route_that_requires_an_object_as_a_parameter_can_not_be_called(
    tmp_path: Path, schema: str, place: str
) -> None:
    page = "components: {schemas: {Page: {type: object}}}"
    parameter = f"{{in: {place}, name: page, required: true, style: deepObject, schema: {schema}}}"
    found = contract(tmp_path, f"'/{{page}}': {{get: {{parameters: [{parameter}]}}}}", page)
    assert "the parameter 'page' to be an object" in found.unusable["/{page}"]


@pytest.mark.parametrize(
    ("schema", "required"),
    [
        ("{type: object}", "false"),
        ("{type: [object, string]}", "true"),
        ("{anyOf: [{type: object}]}", "true"),
    ],
)
def test_a_parameter_that_may_be_left_out_or_no_object_does_no_harm(
    tmp_path: Path, schema: str, required: str
) -> None:
    parameter = f"{{in: query, name: page, required: {required}, schema: {schema}}}"
    found = contract(tmp_path, f"/a: {{get: {{parameters: [{parameter}]}}}}")
    assert found.route("/a") is not None


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
    assert list(found.routes) == ["/good", "/a"], "nothing is compiled before it is needed"
    assert found.route("/a") is None
    assert any(each in found.unusable["/a"] for each in reason.split(" | "))
    assert "\n" not in found.unusable["/a"]
    assert list(found.routes) == ["/good"]
    found.compile()
    assert list(found.unusable) == ["/a"]


def test_compiling_finds_every_route_that_is_not_understood(tmp_path: Path) -> None:
    body = "{post: {requestBody: {content: {application/json: {schema: {type: any}}}}}}"
    found = contract(tmp_path, f"/a: {body}\n  /b: {body}\n  /c: {{get: {{}}}}")
    found.compile()
    assert list(found.unusable) == ["/a", "/b"]
    assert list(found.routes) == ["/good", "/c"]


@pytest.mark.parametrize(
    ("item", "method", "has_body"),
    [
        ("{get: {requestBody: {content: {application/json: {}}}}, head: {}, options: {}}", "GET", False),
        ("{head: {}}", "HEAD", False),
        ("{options: {}}", "OPTIONS", False),
        ("{delete: {}}", "DELETE", False),
        ("{delete: {requestBody: {content: {application/json: {}}}}}", "DELETE", True),
        ("{put: {}}", "PUT", True),
        ("{patch: {}}", "PATCH", True),
        ("{post: {}, get: {}}", "POST", True),
    ],
)
def test_one_method_is_enough(tmp_path: Path, item: str, method: str, has_body: bool) -> None:
    route = contract(tmp_path, f"/a: {item}").routes["/a"]
    assert (route.method, route.has_body) == (method, has_body)


@pytest.mark.parametrize(
    ("media", "content_type"),
    [
        ("application/json; charset=utf-8", "application/json"),
        ("application/vnd.api+json", "application/vnd.api+json"),
        ("Application/Vnd.x+JSON; version=2", "Application/Vnd.x+JSON; version=2"),
        ("application/*+json", "application/json"),
        ('application/json-patch+json": {}, "application/merge-patch+json', "application/merge-patch+json"),
        ("*/*", "application/json"),
        ("application/x+json;\\r\\nX: y", "application/json"),
        ("application/x+json; \u20ac", "application/json"),
        ('application/*+json": {}, "text/x.y+json', "text/x.y+json"),
    ],
)
def test_a_body_is_sent_as_the_json_type_that_the_document_has(
    tmp_path: Path, media: str, content_type: str
) -> None:
    item = f'{{post: {{requestBody: {{content: {{"{media}": {{}}}}}}}}}}'
    assert contract(tmp_path, f"/a: {item}").routes["/a"].content_type == content_type


@pytest.mark.parametrize(
    ("style", "separators"),
    [
        ("explode: false", {"q": ","}),
        ("style: form, explode: false", {"q": ","}),
        ("style: spaceDelimited", {"q": " "}),
        ("style: pipeDelimited, explode: false", {"q": "|"}),
        ("style: pipeDelimited, explode: true", {}),
        ("style: form", {}),
        ("style: deepObject", {}),
        ("style: [form], explode: false", {}),
    ],
)
def test_a_list_that_does_not_explode_has_a_separator(
    tmp_path: Path, style: str, separators: dict[str, str]
) -> None:
    parameters = f"[{{in: query, name: q, {style}}}, {{in: header, name: h, explode: false}}]"
    found = contract(tmp_path, f"/a: {{get: {{parameters: {parameters}}}}}")
    assert found.routes["/a"].query_separators == separators


def test_what_stands_beside_a_path_item_s_reference_counts(tmp_path: Path) -> None:
    item = "{$ref: '#/components/pathItems/A', parameters: [{in: query, name: q}]}"
    shared = "{post: {parameters: [{in: query, name: r}]}, parameters: [{in: query, name: s}]}"
    found = contract(tmp_path, f"/a: {item}", f"components: {{pathItems: {{A: {shared}}}}}")
    assert sorted(found.routes["/a"].query_parameters) == ["q", "r", "s"]


@pytest.fixture
async def outbox(tmp_path: Path) -> Any:
    contract(tmp_path, "/gone: {get: {}, delete: {}}")
    backend = "{spec: openapi.yml, baseUrl: 'http://127.0.0.1:1', method: {table: job}, retry: {base: 0}}"
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{api: {backend}}}\nstore: memory://\n")
    async with Outbox.open(tmp_path / "sp00ky.yml", store="memory://") as outbox:
        yield outbox


async def test_enqueueing_says_why_a_route_can_not_be_called(outbox: Outbox) -> None:
    with pytest.raises(UnknownRoute) as caught:
        await outbox.run("api", "/gone", {})
    assert caught.value.known == ("/good",)
    assert "get, delete" in caught.value.reason
    assert str(caught.value).startswith("backend 'api' can't be called at '/gone': it has get, delete")
    assert await outbox.find() == []


async def test_a_row_for_such_a_route_is_not_sent_and_says_why(outbox: Outbox) -> None:
    (job,) = await outbox.store.add([NewJob(path="/gone", backend="api", max_retries=0)])
    transport = ScriptedTransport()
    async with outbox.runner(transport=transport):
        async for each in outbox.watch(job.id):
            ended = each
    assert ended.errors[-1].name == "unknown_route"
    assert "get, delete" in ended.errors[-1].reason
    assert transport.attempts == []
