from typing import Any

from tests.core.generate.conftest import Written, document_of

from sp00ky_core import Outbox
from sp00ky_core.generate.names import Names
from sp00ky_core.generate.routes import Call, calls_of

THING: dict[str, Any] = {"type": "object", "properties": {"id": {}}, "required": ["id"]}


def calls(written: Written, document: dict[str, Any]) -> dict[str, Call]:
    contract = Outbox.open(written(document)).backends["api"].contract
    return {call.operation.name: call for call in calls_of("api", contract, Names())[0]}


def parameter(name: str, place: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": {"type": "string"}}


def test_a_method_is_named_by_its_operation_else_by_its_path(written: Written) -> None:
    document = document_of({"b": THING, "c": THING, "d-e": THING, "f": THING})
    names = {"/b": "doIt", "/c": "DoIt", "/f": "b"}
    for path, name in names.items():
        document["paths"][path]["post"]["operationId"] = name
    document["paths"]["/g/{id}"] = {
        "parameters": [parameter("id", "path", required=True)],
        "put": {},
        "patch": {},
    }
    made = {path: call.name for path, call in calls(written, document).items()}
    of_methods = {"PUT /g/{id}": "put_g_id", "PATCH /g/{id}": "patch_g_id"}
    assert made == {"/b": "doIt", "/c": "c", "/d-e": "d_e", "/f": "b"} | of_methods


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
