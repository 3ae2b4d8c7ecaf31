import ast
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.generate import hostile
from tests.generate.conftest import CONFIG, Written, document_of, generated

from sp00ky_core import Outbox
from sp00ky_generate.annotation import Names
from sp00ky_generate.module import MARK, Call, calls_of, changed

SHARED = Path(__file__).parents[3] / "shared" / "openapi"
THING = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


def imported(folder: Path, text: str) -> ModuleType:
    file = folder / "typed_outbox.py"
    file.write_text(text, encoding="ascii")
    spec = importlib.util.spec_from_file_location("typed_outbox", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_module_has_what_the_document_has(written: Written, tmp_path: Path) -> None:
    module = imported(tmp_path, generated(written(document_of({"a": THING, "b": {"type": "object"}}))))
    assert module.APayload.__required_keys__ == {"id"}
    assert {name for name in vars(module.ApiCalls) if not name.startswith("_")} == {"a", "b"}
    assert {name for name in vars(module.SyncApiCalls) if not name.startswith("_")} == {"a", "b"}
    assert module.ApiCalls.a.__doc__ == "Enqueue POST /a."


def test_the_same_documents_make_the_same_module(written: Written) -> None:
    document = document_of({"b": THING, "a": THING})
    text = generated(written(document))
    assert text == generated(written(document))
    assert text.startswith(MARK)
    document["paths"] = dict(reversed(document["paths"].items()))
    same = [line for line in generated(written(document)).splitlines() if "'api':" not in line]
    assert same == [line for line in text.splitlines() if "'api':" not in line]  # but for the digest


def test_the_changed_document_is_named(written: Written, tmp_path: Path) -> None:
    backends = Outbox.open(written(document_of({"a": THING}))).backends
    text = generated(tmp_path / "sp00ky.yml")
    assert changed(backends, text) is None
    assert (
        changed(Outbox.open(written(document_of({"b": THING}))).backends, text) == tmp_path / "openapi.json"
    )


def test_names_of_backends_become_names(written: Written, tmp_path: Path) -> None:
    config = written(document_of({"a": THING}))
    names = ("run", "outbox", "class", "sync-api", "api", "Api", "1", "it's")
    line = CONFIG.splitlines(keepends=True)[2]
    backends = "".join(
        line.replace("api:", f'"{name}":').replace("table: job", f"table: j{n}")
        for n, name in enumerate(names)
    )
    config.write_text(f"store: memory://\nbackends:\n{backends}")
    text = generated(config)
    classes = [statement.name for statement in ast.parse(text).body if isinstance(statement, ast.ClassDef)]
    assert len(set(classes)) == len(classes)
    module = imported(tmp_path, text)
    made = vars(module.TypedOutbox(Outbox.open(config)))
    assert set(made) == {"outbox", "run_", "outbox_", "class_", "sync_api", "api", "api_", "n1", "it_s"}
    assert len({type(instance) for instance in made.values()}) == len(made)


def test_nothing_of_a_hostile_document_becomes_code(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = generated(written(hostile.document()))
    module = imported(tmp_path, text)
    assert not (tmp_path / "owned").exists()
    assert len(text) < 1_000_000
    nodes = [node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    calls = {node.id for node in nodes if isinstance(node, ast.Name)}
    assert calls <= {"TypedDict", "super", "cast", "check_documents", "ApiCalls", "SyncApiCalls"}
    methods = [name for name in vars(module.ApiCalls) if name not in vars(type("Empty", (), {}))]
    assert len(methods) > 450
    assert all(name.isascii() and name.isidentifier() and not name.startswith("_") for name in methods)


@pytest.mark.parametrize("name", ["openai.yaml", "discord.json"])
def test_a_published_document_makes_a_module(written: Written, tmp_path: Path, name: str) -> None:
    if not (SHARED / name).exists():
        pytest.skip(f"no {name} in ../shared/openapi beside the checkout")
    config = written({})
    config.write_text(CONFIG.replace("./openapi.json", str(SHARED / name)))
    module = imported(tmp_path, generated(config))
    assert len(vars(module.ApiCalls)) > 100


THING: dict[str, Any] = {"type": "object", "properties": {"id": {}}, "required": ["id"]}


def calls(written: Written, document: dict[str, Any]) -> dict[str, Call]:
    contract = Outbox.open(written(document)).backends["api"].contract
    return {call.operation.name: call for call in calls_of("api", contract, Names())[0]}


def parameter(name: str, place: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": {"type": "string"}}


def test_a_method_is_named_by_its_operation_else_by_its_path(written: Written) -> None:
    document = document_of({"b": THING, "c": THING, "d-e": THING, "f": THING})
    document |= {"paths": document["paths"] | document_of({"h": THING, "i": THING})["paths"]}
    names = {"/b": "doIt", "/c": "DoIt", "/f": "b", "/h": "POST_campaigns", "/i": "HTTPServer"}
    for path, name in names.items():
        document["paths"][path]["post"]["operationId"] = name
    document["paths"]["/g/{id}"] = {
        "parameters": [parameter("id", "path", required=True)],
        "put": {},
        "patch": {},
    }
    made = {path: call.name for path, call in calls(written, document).items()}
    of_methods = {"PUT /g/{id}": "put_g_id", "PATCH /g/{id}": "patch_g_id"}
    assert made == {"/b": "doIt", "/c": "c", "/d-e": "d_e", "/f": "b"} | of_methods | {
        "/h": "post_campaigns",
        "/i": "httpServer",
    }


def test_what_a_result_refers_to_in_vain_may_be_anything(written: Written, tmp_path: Path) -> None:
    """So may what takes too long to look at; the rest keeps its types."""
    gone = {"type": "object", "properties": {"gone": {"$ref": "#/components/schemas/Gone"}}}
    twice = {f"S{n}": {"allOf": [{"$ref": f"#/components/schemas/S{n + 1}"}] * 2} for n in range(40)}
    whole = {"type": "object", "properties": {"id": {"type": "string"}, "lost": gone, "known": THING}}
    document = document_of({"a": THING, "b": THING, "c": THING, "Page": whole, **twice, "S40": THING})
    results = {"/a": {"$ref": "#/components/schemas/Gone"}, "/b": {"$ref": "#/components/schemas/S0"}}
    results["/c"] = {
        "type": "object",
        "properties": {"page": {"$ref": "#/components/schemas/Page"}, "x": THING},
    }
    for path, schema in results.items():
        answer = {"content": {"application/json": {"schema": schema}}}
        document["paths"][path]["post"]["responses"] = {"200": {"$ref": f"#/components/responses{path}"}}
        document["components"].setdefault("responses", {})[path[1:]] = answer
    document["paths"] = {path: document["paths"][path] for path in results}
    made = calls(written, document)
    assert [made[path].result for path in results] == ["Any", "Any", "C"]
    imported(tmp_path, generated(tmp_path / "sp00ky.yml"))


def test_a_payload_holds_the_body_and_the_parameters(written: Written) -> None:
    document = document_of({"things": THING})
    item = document["paths"]["/things/{key}"] = document["paths"].pop("/things")
    item["parameters"] = [parameter("key", "path"), parameter("X-Trace", "header")]
    (call,) = calls(written, document).values()
    assert (call.payload, call.may_be_empty) == ("ThingsKeyPayload | ExplicitPath", False)


def test_a_payload_may_be_left_out_where_nothing_is_required(written: Written) -> None:
    get = {"get": {"parameters": [parameter("q", "query")]}}
    document = document_of({"body": {**THING, "required": []}}, **{"/get": get, "/any": {"post": {}}})
    document["paths"] |= {"/none": {"get": {}}, "/in/{x}": {"post": {}}, "/needs": {"get": dict(get["get"])}}
    document["paths"]["/needs"]["get"]["parameters"] = [parameter("q", "query", required=True)]
    found = {path: (call.payload, call.may_be_empty) for path, call in calls(written, document).items()}
    assert found == {
        "/any": ("Mapping[str, Any]", True),
        "/body": ("BodyPayload | ExplicitBody", True),
        "/get": ("GetPayload | ExplicitQuery", True),
        "/in/{x}": ("InXPayload | ExplicitPath", False),
        "/needs": ("NeedsPayload | ExplicitQuery", False),
        "/none": ("NoPayload", True),
    }


def test_a_file_is_text_or_described(written: Written) -> None:
    binary = {"type": "string", "format": "binary"}
    properties = {"id": binary, "all": {"type": "array", "items": binary}, "odd": {"anyOf": [binary, {}]}}
    content = {"multipart/form-data": {"schema": {"type": "object", "properties": properties}}}
    put = {
        "operationId": "put_a",
        "parameters": [parameter("q", "query")],
        "requestBody": {"content": content},
    }
    document = document_of({}, **{"/a": {"put": put}}) | {"openapi": "3.0.3"}
    contract = Outbox.open(written(document)).backends["api"].contract
    ((call,), (made,)) = calls_of("api", contract, Names())
    assert (call.payload, call.may_be_empty) == ("PutAPayload | ExplicitQuery | ExplicitBody", True)
    assert call.operation.spellings == ("/a", "PUT /a", "put_a")
    assert "    id: NotRequired[str | FormFile]\n" in made
    assert "    all: NotRequired[Sequence[str | FormFile]]\n" in made
    assert "    odd: NotRequired[Any]\n" in made
