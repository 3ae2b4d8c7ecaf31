"""What a payload holds stays where it belongs, or is refused where it is."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.openapi.small import load, parts

from sp00ky_openapi import Contract, Operation, Parameter
from sp00ky_openapi.request_parts import PartsRefused, RequestParts, request_parts


@pytest.mark.parametrize("place", ["path", "query", "header", "cookie"])
@pytest.mark.parametrize(
    ("value", "pointer"),
    [([], ""), ({}, ""), ([None], ""), (None, ""), ([1, [2]], "/1"), ({"a/b": {}}, "/a~1b"), ([{}], "/0")],
)
def test_what_can_not_be_written_is_refused_where_it_is(place: Any, value: Any, pointer: str) -> None:
    with pytest.raises(PartsRefused) as caught:
        parts(place, value, required=True)
    assert [violation.pointer for violation in caught.value.violations] == [f"/color{pointer}"]


@pytest.mark.parametrize("style", ["simple", "label", "matrix"])
@given(value=st.text() | st.lists(st.text(), max_size=3) | st.dictionaries(st.text(), st.text(), max_size=2))
def test_a_path_s_value_stays_one_segment(style: str, value: Any) -> None:
    for explode in (False, True):
        try:
            path = parts("path", value, name="x", required=True, style=style, explode=explode).path
        except PartsRefused:
            continue
        assert path.count("/") == 1
        assert path.isascii()
        assert not {"?", "#", " ", "\\"} & set(path)
        assert path not in {"/.", "/..", "/"}


@pytest.mark.parametrize(
    ("place", "options"),
    [
        ("query", {"style": "pipeDelimited", "explode": False}),
        ("query", {"style": "tabDelimited", "explode": False}),
        ("query", {"style": "spaceDelimited", "explode": False}),
        ("query", {"explode": False, "allow_reserved": True}),
        ("header", {}),
    ],
)
def test_an_item_that_would_be_taken_for_two_is_refused(place: Any, options: Any) -> None:
    for value in (["a", "b|c,d\te f"], {"a": "b|c,d\te f"}):
        with pytest.raises(PartsRefused) as caught:
            parts(place, value, **options)
        assert [violation.pointer for violation in caught.value.violations] == ["/color"]
    assert parts("query", ["a|b,c", "d\te"], style="spaceDelimited", explode=False).query


def test_what_would_be_taken_for_something_else_is_refused() -> None:
    with pytest.raises(PartsRefused) as caught:
        parts("header", ["a", "b,c"])
    assert [violation.pointer for violation in caught.value.violations] == ["/color"]
    operation = Operation(
        path="/x",
        parameters=(Parameter(place="query", name="e"), Parameter(place="query", name="p")),
        configured={("query", "key"): "auth"},
    )
    for name in ("p", "key"):
        with pytest.raises(PartsRefused) as caught:
            request_parts(operation, {"e": {name: "x"}}, new_boundary=str)
        assert [violation.pointer for violation in caught.value.violations] == [f"/e/{name}"]


def operation_of(folder: Path, body: Any, *parameters: tuple[str, str]) -> Contract:
    listed = [{"in": place, "name": name, "required": place == "path"} for place, name in parameters]
    operation: dict[str, Any] = {"parameters": listed}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    paths = {"/x/{id}" if ("path", "id") in parameters else "/x": {"put": operation}}
    (folder / "openapi.json").write_text(json.dumps({"openapi": "3.1.0", "paths": paths}))
    return load(folder / "openapi.json")


def sent(contract: Contract, payload: dict[str, Any]) -> RequestParts:
    (name,) = contract.operations
    operation = contract.operation(name)
    assert operation is not None, contract.unusable
    assert contract.violations(name, payload) == []
    return request_parts(operation, payload, new_boundary=str)


STRICT = {"type": "object", "additionalProperties": False, "properties": {"both": {}, "text": {}}}
PLACES = [("path", "id"), ("query", "both"), ("query", "page"), ("header", "id"), ("cookie", "sid")]


@pytest.mark.parametrize(
    ("payload", "pointers"),
    [
        ({"$body": {}, "text": 1, "$path": {"id": 1}}, ["/text"]),
        ({"$body": {}, "$path": {"id": 1, "no": 2}}, ["/$path/no"]),
        ({"$body": {}, "$path": {"id": 1}, "$header": {"Host": "evil.test"}}, ["/$header/Host"]),
        ({"$body": {}, "$path": {"id": 1}, "$query": [1]}, ["/$query"]),
        ({"$body": {"more": 1}, "$path": {}}, ["/$body/more", "/$path/id"]),
        ({"$path": {"id": 1}}, ["/$body"]),
        ({"$query": None, "$path": {"id": 1}, "$body": {}}, ["/$query"]),
        ({"id": 1, "more": 1}, ["/more"]),
    ],
)
def test_what_is_in_no_place_of_its_own_is_named(tmp_path: Path, payload: Any, pointers: list[str]) -> None:
    contract = operation_of(tmp_path, STRICT, *PLACES)
    assert [violation.pointer for violation in contract.violations("/x/{id}", payload)] == pointers
    operation = contract.operations["/x/{id}"]
    if pointers != ["/more"]:  # which is the schema's to say, not the request's
        with pytest.raises(PartsRefused):
            request_parts(operation, payload, new_boundary=str)


def test_the_explicit_form_is_shown_and_near_names_are_said(tmp_path: Path) -> None:
    contract = operation_of(tmp_path, {"type": "array"}, ("path", "id"), ("query", "page"))
    broken = {"id": 1, "body": [], "loose": 1, "$headers": {}, "$query": {"pages": 1}}
    messages = {violation.pointer: violation.message for violation in contract.violations("/x/{id}", broken)}
    shape = '{"$path": {"id": ...}, "$query": {"page": ...}, "$body": ...}'
    assert messages["/$headers"].startswith(f"use the explicit form: {shape}: its body")
    assert "did you mean '$header'?" in messages["/$headers"]
    assert "did you mean '$body'?" in messages["/body"]
    assert "did you mean" not in messages["/loose"]
    assert "did you mean 'page'?" in messages["/$query/pages"]
    inner = {"properties": {"status": {}}, "additionalProperties": False}
    strict = operation_of(tmp_path, {"properties": {"inner": inner}}, ("path", "id"))
    (violation,) = strict.violations("/x/{id}", {"id": 1, "inner": {"statu": 1}})
    assert str(violation) == "/inner/statu: unknown property; did you mean 'status'?"


@pytest.mark.parametrize("name", ["$body", "$query", "$contentType"])
def test_an_operation_s_own_names_go_first(tmp_path: Path, name: str) -> None:
    contract = operation_of(tmp_path, {"properties": {name: {}}}, ("query", "q"))
    assert json.loads(sent(contract, {name: {"q": 1}, "q": 2}).body) == {name: {"q": 1}}
    declared = operation_of(tmp_path, None, ("query", name))
    assert sent(declared, {name: "v"}).query == f"%24{name[1:]}=v"


def test_an_escaped_mark_is_one_too(tmp_path: Path) -> None:
    contract = operation_of(tmp_path, {})
    assert sent(contract, json.loads('{"\\u0024body": [1]}')).body == b"[1]"


CLOSED = ("Cookie", "Authorization", "Accept", "Connection", "Content-Type", "a b")


@pytest.mark.parametrize("body", [{}, None])
def test_a_declared_header_that_no_payload_sets_is_withheld_and_the_explicit_form_says_so(
    tmp_path: Path, body: Any
) -> None:
    contract = operation_of(tmp_path, body, *(("header", name) for name in CLOSED), ("query", "q"))
    found = sent(contract, {"q": 1, **dict.fromkeys(CLOSED, "x")})
    assert (found.query, found.headers, found.body) == ("q=1", {}, b"" if body is None else b"{}")
    payload = {"$header": {"Cookie": "x"}, **({} if body is None else {"$body": {}})}
    (violation,) = contract.violations("/x", payload)
    assert str(violation) == "/$header/Cookie: no payload may set it: a request has the outbox's own, or none"
    known = operation_of(tmp_path, {"properties": {"Accept": {}}}, ("header", "Accept"))
    assert sent(known, {"Accept": "x"}).body == b'{"Accept":"x"}'


def test_a_parameter_without_a_name_is_never_sent(tmp_path: Path) -> None:
    contract = operation_of(tmp_path, {}, ("query", ""), ("query", "q"))
    assert contract.operations["/x"].withheld == {("query", "")}
    assert sent(contract, {"q": 1, "": 2}) == RequestParts(
        path="/x", query="q=1", body=b'{"":2}', content_type="application/json"
    )


def test_a_query_that_is_a_part_of_the_path_is_sent_with_each_request(tmp_path: Path) -> None:
    parameters = [{"in": "query", "name": name} for name in ("beta", "page", "sort")]
    beta = {"parameters": parameters, "operationId": "betaX"}
    paths = {"/x": {"post": {}}, "/x?beta=a+b&v": {"post": beta}}
    (tmp_path / "openapi.json").write_text(json.dumps({"openapi": "3.1.0", "paths": paths}))
    contract = load(tmp_path / "openapi.json")
    for text in ("/x?beta=a+b&v", "POST /x?beta=a+b&v", "betaX"):
        operation = contract.operation(text)
        assert operation is not None
        assert operation.name == "/x?beta=a+b&v"
    assert request_parts(operation, {"page": 2}, new_boundary=str).query == "beta=a+b&v&page=2"
    for payload, pointer in (({"beta": 1}, "/beta"), ({"$query": {"beta": 1}}, "/$query/beta")):
        (violation,) = contract.violations("betaX", payload)
        assert str(violation) == f"{pointer}: it is filled from the path's query, so no payload may have it"
    (violation,) = contract.violations("betaX", {"sort": {"beta": 1}})
    assert violation.pointer == "/sort/beta"
    assert not contract.has("/x?beta=b")
