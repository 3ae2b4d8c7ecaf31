"""Describe payloads and results of a document's operations as JSON Schema, for what is generated of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from sp00ky_core.contract import Body, Contract, Operation, Parameter
from sp00ky_core.contract.documents import Node
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
    nodes = [node for operation in operations.values() for node in _nodes(operation)]
    definitions = schemas.bundle({}, nodes)["$defs"]
    return PayloadSchemas(
        operations={name: _described(operation, schemas) for name, operation in operations.items()},
        definitions=definitions,
        places={name: schemas.shown(["$defs", name]) for name in definitions},
    )


def _described(operation: Operation, schemas: Schemas) -> PayloadSchema:
    body = operation.bodies[0].schema if operation.bodies else None
    return PayloadSchema(
        operation=operation,
        body=schemas.reference(body) if body else None,
        parameters={
            (each.place, each.name): schemas.reference(each.schema)
            for each in operation.parameters
            if each.schema
        },
        responses={
            status: schemas.reference(node) if node else None for status, node in operation.responses.items()
        },
    )


def _nodes(operation: Operation) -> Iterator[Node]:
    held: list[Parameter | Body] = [*operation.parameters, *operation.bodies[:1]]
    yield from (each.schema for each in held if each.schema)
    yield from (node for node in operation.responses.values() if node)
