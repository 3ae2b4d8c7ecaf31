"""Name the calls of a backend, and type their payloads."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from sp00ky_core.contract.payload import PayloadSchema, PayloadSchemas
from sp00ky_core.generate.annotation import ANY_OBJECT, Annotations
from sp00ky_core.generate.names import Names, attribute_name, class_name, method_name
from sp00ky_core.generate.shapes import Shape, Shapes
from sp00ky_core.job_options import is_plain_text


@attrs.frozen(kw_only=True)
class Call:
    """A call of a backend.

    Attributes:
        path: The operation's name.
        method: Of HTTP.
        name: The method's, of Python.
        payload: The type of its payload.
        may_be_empty: Whether it may be left out.
    """

    path: str
    method: str
    name: str
    payload: str
    may_be_empty: bool


def calls_of(backend: str, schemas: PayloadSchemas, names: Names) -> tuple[list[Call], list[str]]:
    """Return a backend's calls in the order of their paths, and the statements that their types need."""
    annotations = Annotations(schemas.definitions, schemas.places, names)
    methods = method_names(schemas.operations)
    calls = [
        _call(backend, schemas.operations[path], method, annotations)
        for path, method in sorted(methods.items())
    ]
    annotations.finish()
    return calls, annotations.statements


def method_names(operations: Mapping[str, PayloadSchema]) -> Mapping[str, str]:
    """Return a method's name for each path: its ``operationId`` if that can be one, else made of the path.

    Those with such an ``operationId`` go first, then in the order of the paths: a new route renames none that
    is named by its document.
    """
    names = Names(separator="_")
    given = {
        path: method_name(operations[path].operation.operation_id)
        for path in sorted(filter(is_plain_text, operations))
    }
    found = {path: names.unique(name, attribute_name(path)) for path, name in given.items() if name}
    return found | {path: names.unique(attribute_name(path)) for path, name in given.items() if not name}


def _call(backend: str, schema: PayloadSchema, method: str, annotations: Annotations) -> Call:
    shapes = _payload(schema, annotations)
    wanted = class_name(f"{method} Payload")
    payload = (
        annotations.of_shapes(shapes, wanted, class_name(f"{backend} {wanted}")) if shapes else ANY_OBJECT
    )
    required = frozenset(each.name for each in schema.operation.parameters if each.required)
    needed = [shape.required for shape in shapes or ()] or [required]
    return Call(
        path=schema.operation.name,
        method=schema.operation.method,
        name=method,
        payload=payload,
        may_be_empty=not all(needed),
    )


def _payload(schema: PayloadSchema, annotations: Annotations) -> tuple[Shape, ...]:
    """Return the shapes of the body and the parameters together; empty where there may be any keys."""
    operation = schema.operation
    parameters = {
        each.name: schema.parameters.get((each.place, each.name), True) for each in operation.parameters
    }
    own = Shape(
        properties=parameters,
        required=frozenset(each.name for each in operation.parameters if each.required),
        is_listed=True,
    )
    if operation.form == "explicit" or not all(map(is_plain_text, parameters)):
        return ()
    if not operation.bodies:
        return (own,) if parameters else ()
    body = annotations.shapes_of(schema.body) if schema.body is not None else None
    return tuple(Shapes.joined([own], body) or ()) if body else ()
