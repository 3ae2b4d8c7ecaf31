"""What a route's payload must be, and how what is wrong is said."""

import json
from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from sp00ky_openapi import Contract, load_contract

NODE = {
    "type": "object",
    "required": ["value"],
    "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/components/schemas/Node"}},
    "additionalProperties": False,
}


def contract_of(folder: Path, paths: dict[str, Any], version: str = "3.1.0", **schemas: Any) -> Contract:
    document = {"openapi": version, "paths": paths, "components": {"schemas": schemas}}
    (folder / "openapi.json").write_text(json.dumps(document))
    return load_contract(folder / "openapi.json")


def taking(schema: Any, media: str = "application/json") -> dict[str, Any]:
    return {"requestBody": {"content": {media: {"schema": schema}}}}


def pointers(folder: Path, schema: Any, payload: Any, version: str = "3.1.0", **schemas: Any) -> list[str]:
    contract = contract_of(folder, {"/x": {"post": taking(schema)}}, version, **schemas)
    return [violation.pointer for violation in contract.violations("/x", payload)]


def field(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}}


@pytest.mark.parametrize(
    ("schema", "payload", "expected"),
    [
        ({"required": ["id"]}, {}, ["/id"]),
        ({"required": ["id", "to"]}, {"id": 1}, ["/to"]),
        (field({"type": "integer"}), {"a": "1"}, ["/a"]),
        (field({"type": "integer"}), {"a": True}, ["/a"]),
        (field({"type": "integer"}), {"a": None}, ["/a"]),
        (field({"type": ["integer", "null"]}), {"a": None}, []),
        (field({"type": ["integer", "null"]}), {"a": "x"}, ["/a"]),
        (field({"enum": ["x", "y"]}), {"a": "z"}, ["/a"]),
        (field({"const": 1}), {"a": 2}, ["/a"]),
        (field({"exclusiveMinimum": 1}), {"a": 1}, ["/a"]),
        (field({"type": "array", "items": {"type": "string"}}), {"a": ["x", 1, "y", 2]}, ["/a/1", "/a/3"]),
        (field({"type": "string", "format": "uuid"}), {"a": "no"}, ["/a"]),
        (field({"type": "string", "format": "date-time"}), {"a": "2020-01-01"}, ["/a"]),
        (field({"type": "string", "format": "email"}), {"a": "no"}, ["/a"]),
        (field({"type": "string", "format": "binary"}), {"a": "\x00"}, []),
        (field({"type": "string", "format": "byte"}), {"a": "%"}, []),
        (field({"type": "integer", "format": "int64"}), {"a": 10**30}, ["/a"]),
        ({"allOf": [{"required": ["a"]}, {"required": ["b"]}]}, {}, ["/a", "/b"]),
        (
            {"properties": {"a/b": {"properties": {"~c": {"type": "null"}}}}},
            {"a/b": {"~c": 1}},
            ["/a~1b/~0c"],
        ),
        ({"additionalProperties": False}, {"x": 1, "y/z": 2}, ["/x", "/y~1z"]),
        ({"unevaluatedProperties": False}, {"x": 1}, ["/x"]),
        ({"additionalProperties": {"type": "string"}}, {"x": 1}, ["/x"]),
        (
            {"properties": {"default": {"type": "string"}, "example": {"enum": [1]}}},
            {"default": 1, "example": 2},
            ["/default", "/example"],
        ),
        (False, {"$body": {}}, ["/$body"]),
        (True, {"any": "thing"}, []),
        ({"type": "array"}, {"$body": {}}, ["/$body"]),
    ],
)
def test_where_a_payload_breaks_its_schema(
    tmp_path: Path, schema: Any, payload: Any, expected: list[str]
) -> None:
    assert pointers(tmp_path, schema, payload) == expected


def test_references_are_followed_into_themselves(tmp_path: Path) -> None:
    payload = {"node": {"value": 1, "next": {"value": "x", "next": {"next": {"value": 1, "extra": 0}}}}}
    schema = {"properties": {"node": {"$ref": "#/components/schemas/Node"}}}
    expected = ["/node/next/next/next/extra", "/node/next/next/value", "/node/next/value"]
    assert pointers(tmp_path, schema, payload, Node=NODE) == expected


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "string", "nullable": True}, None, 1),
        ({"type": "string", "nullable": False}, "x", None),
        ({"type": "string"}, "x", None),
        ({"type": "string", "enum": ["x"], "nullable": True}, None, "y"),
        ({"allOf": [{"$ref": "#/components/schemas/Node"}], "nullable": True}, None, {}),
        ({"$ref": "#/components/schemas/Node", "nullable": True}, None, {}),
        ({"$ref": "#/components/schemas/Node", "maxProperties": 0}, {"value": 1}, None),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}], "nullable": True}, None, True),
        ({"minimum": 1, "exclusiveMinimum": True}, 2, 1),
        ({"minimum": 1, "exclusiveMinimum": False}, 1, 0),
        ({"maximum": 1, "exclusiveMaximum": True}, 0, 1),
        ({"maximum": 1, "exclusiveMaximum": False}, 1, 2),
        (
            {"type": "object", "properties": {"nullable": {"type": "string", "nullable": True}}},
            {"nullable": None},
            {"nullable": 1},
        ),
    ],
)
def test_openapi_30_has_its_own_words(tmp_path: Path, schema: Any, good: Any, bad: Any) -> None:
    contract = contract_of(tmp_path, {"/x": {"post": taking(field(schema))}}, "3.0.3", Node=NODE)
    assert contract.violations("/x", {"a": good}) == []
    assert contract.violations("/x", {"a": bad}) != []


def test_what_is_behind_nullable_keeps_its_own_place(tmp_path: Path) -> None:
    schema = field({"$ref": "#/components/schemas/Node", "nullable": True})
    assert pointers(tmp_path, schema, {"a": {"value": "x"}}, "3.0.3", Node=NODE) == ["/a/value"]


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_what_only_responses_have_is_not_required_of_a_payload(tmp_path: Path, version: str) -> None:
    schema = {"required": ["id", "name"], "properties": {"id": {"type": "string", "readOnly": True}}}
    assert pointers(tmp_path, schema, {}, version) == ["/name"]
    assert pointers(tmp_path, schema, {"id": "x", "name": 1}, version) == []


def test_of_several_alternatives_the_nearest_is_explained(tmp_path: Path) -> None:
    schema = field({"oneOf": [{"type": "string"}, {"$ref": "#/components/schemas/Node"}]})
    contract = contract_of(tmp_path, {"/x": {"post": taking(schema)}}, Node=NODE)
    (violation,) = contract.violations("/x", {"a": {"value": "x"}})
    assert violation.pointer == "/a"
    assert "/a/value" in violation.message


def test_values_are_never_quoted(tmp_path: Path) -> None:
    secret = "s3cr3t" * 100
    forbidden = [{"type": "integer"}, {"maxLength": 3}, {"enum": ["x"]}, {"const": 1}, {"pattern": "^x$"}]
    forbidden += [
        {"format": "uuid"},
        {"not": {"type": "string"}},
        {"oneOf": [{"type": "null"}, {"maxLength": 1}]},
    ]
    for schema in forbidden:
        contract = contract_of(tmp_path, {"/x": {"post": taking(field(schema))}})
        (violation,) = contract.violations("/x", {"a": secret})
        assert "s3cr3t" not in str(violation)


def test_messages_are_cut(tmp_path: Path) -> None:
    contract = contract_of(tmp_path, {"/x": {"post": taking(field({"const": "x" * 10_000}))}})
    assert len(contract.violations("/x", {"a": 1})[0].message) == 300


@pytest.mark.parametrize("value", [b"x", {1: 2}, "\ud800", {1, 2}, object()])
def test_what_is_no_json_is_a_violation_and_no_crash(tmp_path: Path, value: Any) -> None:
    assert pointers(tmp_path, field({"type": "null"}), {"a": value}) == [""]


def test_numbers_without_end_and_circles_are_no_crash(tmp_path: Path) -> None:
    circle: dict[str, Any] = {}
    circle["a"] = circle
    assert pointers(
        tmp_path,
        {"additionalProperties": {"$ref": "#/components/schemas/X"}},
        circle,
        X={"additionalProperties": {"type": "null"}},
    ) == [""]
    assert pointers(tmp_path, field({"maximum": 5}), {"a": 10**400}) == ["/a"]


def test_an_operation_whose_body_can_not_be_written_takes_no_payload(tmp_path: Path) -> None:
    contract = contract_of(tmp_path, {"/x": {"post": taking({}, "multipart/mixed")}})
    assert "multipart/mixed" in contract.violations("/x", {})[0].message
    assert contract.operation("/x") is None
    assert list(contract.operations) == []


def test_a_route_without_a_body_takes_any_payload(tmp_path: Path) -> None:
    assert contract_of(tmp_path, {"/x": {"post": {}}}).violations("/x", {"any": 1}) == []


@pytest.fixture
def users(tmp_path: Path) -> Contract:
    id_parameter = {"name": "id", "in": "path", "required": True, "schema": {"type": ["string", "integer"]}}
    return contract_of(
        tmp_path,
        {
            "/users/{id}/{kind}.json": {
                "parameters": [id_parameter, {"name": "dry", "in": "query", "schema": {"type": "string"}}],
                "post": taking({"additionalProperties": False, "properties": {"name": {"type": "string"}}})
                | {
                    "parameters": [
                        {"name": "dry", "in": "query", "required": True, "schema": {"type": "boolean"}},
                        {"name": "X-Trace", "in": "header"},
                    ]
                },
            }
        },
    )


def test_parameters_come_from_the_payload(users: Contract) -> None:
    path = "/users/{id}/{kind}.json"
    parameters = [(parameter.place, parameter.name) for parameter in users.operations[path].parameters]
    assert parameters == [("path", "id"), ("path", "kind"), ("query", "dry"), ("header", "X-Trace")]
    assert users.violations(path, {"id": 7, "kind": "a", "dry": True, "name": "n"}) == []
    broken = {"id": [], "dry": "yes", "extra": 1}
    assert [violation.pointer for violation in users.violations(path, broken)] == [
        "/dry",
        "/extra",
        "/id",
        "/kind",
    ]


def test_a_path_that_is_no_route_is_a_key_error(users: Contract) -> None:
    assert users.operation("/nope") is None
    with pytest.raises(KeyError):
        users.violations("/nope", {})


EAST = timezone(timedelta(hours=5, minutes=30))
VALUES = [
    *(datetime(2024, 1, 31, 12, 30, 0, fraction, zone) for fraction in (0, 5) for zone in (None, UTC, EAST)),
    *(time(12, 30, 0, fraction, zone) for fraction in (0, 5) for zone in (None, UTC, EAST)),
    *(timedelta(days, seconds) for days in (-400, -1, 0, 1, 400) for seconds in (0, 1.5, 3605, 60)),
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_what_pydantic_writes_fits_the_format_that_it_writes(tmp_path: Path, value: Any) -> None:
    kind = TypeAdapter(type(value))
    schema = field(kind.json_schema(mode="serialization"))
    assert pointers(tmp_path, schema, {"a": kind.dump_python(value, mode="json")}) == []


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        (
            "date-time",
            ["no", "", "2024-01-31", "2024-02-30T00:00:00", "2024-01-31T12:30", "2024-01-31T12:30:00ZZ"],
        ),
        ("time", ["no", "", "12:30", "25:00:00", "12:30:00+02", "12:30:00ZZ"]),
        (
            "duration",
            [
                "no",
                "",
                "P",
                "PT",
                "-PT",
                "P1",
                "1D",
                "P1H",
                "PT1D",
                "P1.5D",
                "PT1S1H",
                "P1DT",
                "P1D\n",
                "P٣D",
            ],
        ),
    ],
)
def test_what_is_not_of_a_format_is_refused(tmp_path: Path, name: str, texts: list[str]) -> None:
    schema = {"additionalProperties": {"type": "string", "format": name}}
    payload = {str(10 + index): text for index, text in enumerate(texts)}
    assert pointers(tmp_path, schema, payload) == [f"/{name}" for name in payload]
