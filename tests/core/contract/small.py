"""Contracts of small documents, one schema each."""

import json
from pathlib import Path
from typing import Any

from sp00ky_core.config import BackendConfig
from sp00ky_core.contract import Contract, load_contract

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
    return load_contract(BackendConfig(name="api", spec=file, base_url="http://x.test", table="job"))


def pointers(folder: Path, schema: Any, payload: Any, version: str = "3.1.0", **schemas: Any) -> list[str]:
    contract = contract_of(folder, schema, version, **schemas)
    assert contract.operation("/x") is not None, contract.unusable
    return [violation.pointer for violation in contract.violations("/x", payload)]


def field(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}}
