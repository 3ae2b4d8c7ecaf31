"""Describe payloads and results of a document's operations as JSON Schema, for what is generated of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from sp00ky_core.contract import Contract, Operation
from sp00ky_core.contract.payload import nodes_of
from sp00ky_core.contract.schema import Schemas

__all__ = ["PayloadSchema", "PayloadSchemas", "payload_schemas"]


@attrs.frozen(kw_only=True)
class PayloadSchema:
    """Describe the payloads of an operation, as JSON Schema.

    Attributes:
        operation: The operation.
        body: Of its first body; None: anything.
        parameters: Of each parameter, by place and name; one that is missing may be anything.
        responses: Of its results, by status; what is None may be anything, or is nothing.
    """

    operation: Operation
    body: Any
    parameters: Mapping[tuple[str, str], Any]
    responses: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class PayloadSchemas:
    """Hold the schemas of all payloads of a document.

    Attributes:
        operations: By name.
        definitions: What a ``$ref`` means, by the last part of it.
        places: Where in the document each of these is.
    """

    operations: Mapping[str, PayloadSchema]
    definitions: Mapping[str, Any]
    places: Mapping[str, str]


def payload_schemas(contract: Contract) -> PayloadSchemas:
    """Describe the payloads of all operations that can be used."""
    contract.compile()
    schemas, operations = contract.schemas, contract.operations
    needed = [node for each in operations.values() for node in nodes_of(each, each.body)]
    results = [node for each in operations.values() for node in each.responses.values() if node]
    definitions = schemas.bundle({}, [*needed, *results])["$defs"]
    return PayloadSchemas(
        operations={name: _described(operation, schemas) for name, operation in operations.items()},
        definitions=definitions,
        places={name: schemas.shown(["$defs", name]) for name in definitions},
    )


def _described(operation: Operation, schemas: Schemas) -> PayloadSchema:
    body = operation.body
    return PayloadSchema(
        operation=operation,
        body=schemas.reference(body.schema) if body and body.schema else None,
        parameters={
            (each.place, each.name): schemas.reference(each.schema)
            for each in operation.parameters
            if each.schema
        },
        responses={
            status: schemas.reference(node) if node else None for status, node in operation.responses.items()
        },
    )
