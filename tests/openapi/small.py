"""Contracts of small documents, one schema each."""

import json
from pathlib import Path
from typing import Any

from sp00ky_openapi import Body, Contract, Operation, Parameter, load_contract
from sp00ky_openapi.request_parts import RequestParts, request_parts

CAT = {
    "type": "object",
    "required": ["kind"],
    "properties": {"kind": {"type": "string"}, "name": {"type": "string"}, "lives": {"type": "integer"}},
}

DOG = {
    "type": "object",
    "required": ["kind"],
    "properties": {"kind": {"type": "string"}, "name": {"type": "string"}, "lives": {"type": "boolean"}},
}

PETS = {"Cat": CAT, "Dog": DOG}


def contract_of(folder: Path, schema: Any, version: str = "3.1.0", **schemas: Any) -> Contract:
    body = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    document = {"openapi": version, "paths": {"/x": {"post": body}}, "components": {"schemas": schemas}}
    (folder / "openapi.json").write_text(json.dumps(document))
    return load(folder / "openapi.json")


def load(file: Path) -> Contract:
    return load_contract(file)


def pointers(folder: Path, schema: Any, payload: Any, version: str = "3.1.0", **schemas: Any) -> list[str]:
    contract = contract_of(folder, schema, version, **schemas)
    assert contract.operation("/x") is not None, contract.unusable
    return [violation.pointer for violation in contract.violations("/x", payload)]


def field(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}}


FILE = {"type": "string", "format": "binary"}
FIELDS = {
    "type": "object",
    "required": ["title"],
    "additionalProperties": False,
    "properties": {
        "title": {"type": "string", "maxLength": 9},
        "tags": {"type": "array", "items": {"type": "string"}},
        "meta": {"type": "object"},
        "photo": {**FILE, "maxLength": 3},
        "more": {"type": "array", "items": FILE},
    },
}


def bodies_of(folder: Path, content: dict[str, Any], version: str = "3.0.3") -> Contract:
    document = {"openapi": version, "paths": {"/x": {"post": {"requestBody": {"content": content}}}}}
    (folder / "openapi.json").write_text(json.dumps(document))
    return load(folder / "openapi.json")


def sent(contract: Contract, payload: dict[str, Any]) -> RequestParts:
    operation = contract.operation("/x")
    assert operation is not None, contract.unusable
    assert contract.violations("/x", payload) == []
    return request_parts(operation, payload, new_boundary=lambda: "boundary")


def refused(contract: Contract, payload: dict[str, Any]) -> list[str]:
    """Where a payload is refused when it is enqueued; a row is where the schema isn't what it breaks."""
    return [violation.pointer for violation in contract.violations("/x", payload)]


def parts(place: Any, value: Any, name: str = "color", **options: Any) -> RequestParts:
    path = f"/{{{name}}}" if place == "path" else "/"
    parameter = Parameter(place=place, name=name, **options)
    operation = Operation(path=path, parameters=(parameter,), bodies=(Body(),))
    return request_parts(operation, {name: value}, new_boundary=str)
