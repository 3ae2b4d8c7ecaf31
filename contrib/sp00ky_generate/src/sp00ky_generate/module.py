"""Write the typed module of a configuration: a class for each backend, and the overloads of ``run``."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import attrs

from sp00ky_core.backend.backend import Backend
from sp00ky_core.job.options import is_plain_text
from sp00ky_generate.annotation import (
    ANY_OBJECT,
    FILE,
    Annotations,
    Names,
    attribute_name,
    class_name,
    method_name,
    union,
)
from sp00ky_generate.shapes import Shape, joined, kinds
from sp00ky_openapi import Contract
from sp00ky_openapi.bodies import is_concrete
from sp00ky_openapi.operation import PLACES, Operation, Parameter
from sp00ky_openapi.payload import BODIED, nodes_of
from sp00ky_openapi.schema import Schemas

_FILES: Mapping[Any, Any] = {"string": FILE, "array": {"type": "array", "items": FILE}}
"""What a file, or a list of files, may be, by the type that its schema has."""


@attrs.frozen(kw_only=True)
class Call:
    """A call of a backend.

    Attributes:
        operation: What is called.
        name: The method's, of Python.
        payload: The type of its payload.
        may_be_empty: Whether it may be left out.
        result: The type of its result.
    """

    operation: Operation
    name: str
    payload: str
    may_be_empty: bool
    result: str


def definitions_of(contract: Contract) -> Mapping[str, Any]:
    """Return what references in the payloads and results of all operations that can be used mean."""
    contract.compile()
    operations = contract.operations.values()
    needed = [node for operation in operations for node in nodes_of(operation, operation.body)]
    results = [node for operation in operations for node in operation.responses.values() if node]
    schemas = contract.document.schemas
    definitions: Mapping[str, Any] = schemas.bundle({}, [*needed, *results], lenient=True)["$defs"]
    return definitions


def calls_of(backend: str, contract: Contract, names: Names) -> tuple[list[Call], list[str]]:
    """Return a backend's calls in the order of their paths, and the statements that their types need."""
    definitions, schemas = definitions_of(contract), contract.document.schemas
    places = {name: schemas.shown(["$defs", name]) for name in definitions}
    annotations = Annotations(definitions, places, names)
    calls = [
        _call(backend, contract.operations[path], method, schemas, annotations)
        for path, method in sorted(method_names(contract.operations).items())
    ]
    annotations.finish()
    return calls, annotations.statements


def method_names(operations: Mapping[str, Operation]) -> Mapping[str, str]:
    """Return a method's name for each path: its ``operationId`` if that can be one, else made of the path.

    Those with such an ``operationId`` go first, then in the order of the paths: a new route renames none that
    is named by its document.
    """
    names = Names(separator="_")
    paths = sorted(filter(is_plain_text, operations))
    given = {path: method_name(operations[path].operation_id) for path in paths}
    methods = {path: names.unique(name, _made_name(path)) for path, name in given.items() if name}
    return methods | {path: names.unique(_made_name(path)) for path, name in given.items() if not name}


def _made_name(operation: str) -> str:
    method, slash, path = operation.partition("/")
    return attribute_name(f"{method.lower()}{slash}{path}")


def _call(
    backend: str, operation: Operation, method: str, schemas: Schemas, annotations: Annotations
) -> Call:
    shapes = _payload_shapes(operation, schemas, annotations)
    wanted = class_name(f"{method} Payload")
    if shapes:
        flat = annotations.of_shapes(shapes, wanted, class_name(f"{backend} {wanted}"))
        payload = union([flat, *_explicit_types(operation)])
    else:
        is_bodied = operation.method in BODIED  # the document may have forgotten it
        takes_nothing = not (operation.parameters or operation.bodies or is_bodied)
        payload = "NoPayload" if takes_nothing else ANY_OBJECT
    needed = [shape.required for shape in shapes or ()] or [_required(operation.parameters)]
    return Call(
        operation=operation,
        name=method,
        payload=payload,
        may_be_empty=not all(needed),
        result=_result(operation, class_name(f"{method} Result"), schemas, annotations),
    )


def _explicit_types(operation: Operation) -> list[str]:
    """Return the types of the explicit form of an operation that is called with the flat one.

    They are those of what it must have, or else of anything that it may have.
    """
    if operation.form == "explicit" or operation.declares_reserved:
        return []
    parts: list[tuple[str, bool]] = [
        (parameter.place, parameter.required) for parameter in operation.parameters
    ]
    parts += [("body", operation.needs_body)] * bool(operation.bodies)
    needed = [place for place, required in parts if required]
    return [f"Explicit{place.capitalize()}" for place in needed[:1] or dict.fromkeys(dict(parts))]


def _payload_shapes(operation: Operation, schemas: Schemas, annotations: Annotations) -> tuple[Shape, ...]:
    """Return the shapes of a payload in the form that the operation takes; empty where any keys may be."""
    if operation.form == "explicit":
        return (_explicit(operation, schemas),)
    own = _parameters(operation.parameters, schemas)
    if not all(map(is_plain_text, own.properties)):
        return ()
    if not operation.bodies:
        return (own,) if own.properties else ()
    first = operation.bodies[0]
    body = annotations.shapes.of(schemas.reference(first.schema))
    body = body and [_with_files(shape, first.files) for shape in body]
    return tuple(joined([own], body) or ()) if body else ()


def _with_files(shape: Shape, files: frozenset[str]) -> Shape:
    """Let files be described ones, too: a text is their bytes, as base64."""
    described = {name: _file(shape.properties[name]) for name in shape.properties.keys() & files}
    return attrs.evolve(shape, properties={**shape.properties, **described})


def _file(schema: Any) -> Any:
    types = kinds(schema) if isinstance(schema, dict) else []
    return _FILES.get(types[0], True) if len(types) == 1 else True


def _parameters(parameters: Sequence[Parameter], schemas: Schemas) -> Shape:
    """Return the shape of an object of parameters."""
    types = {parameter.name: schemas.reference(parameter.schema) for parameter in parameters}
    return Shape(properties=types, required=_required(parameters), is_listed=True)


def _required(parameters: Sequence[Parameter]) -> frozenset[str]:
    return frozenset(parameter.name for parameter in parameters if parameter.required)


def _explicit(operation: Operation, schemas: Schemas) -> Shape:
    """Return the shape of a payload of the explicit form."""
    properties: dict[str, Any] = {}
    required = {"$body"} if operation.needs_body else set()
    for place in PLACES:
        shape = _parameters(operation.at(place), schemas)
        if shape.properties:
            listed = {"required": sorted(shape.required), "additionalProperties": False}
            properties[f"${place}"] = {"type": "object", "properties": shape.properties, **listed}
            required |= {f"${place}"} if shape.required else set()
    if operation.bodies:
        (first, *others) = operation.bodies
        may_be_another = others or first.files or not is_concrete(first.media_type)
        is_text = first.format in ("text", "binary")
        body = {"type": "string"} if is_text else schemas.reference(first.schema)
        properties["$body"] = True if may_be_another else body
        properties["$contentType"] = {"type": "string"}
        required |= {"$contentType"} if first.content_type is None and operation.needs_body else set()
    return Shape(properties=properties, required=frozenset(required), is_listed=True)


def _result(operation: Operation, name: str, schemas: Schemas, annotations: Annotations) -> str:
    """Return the type of what a success answers with."""
    if not operation.has_result:
        return "None"
    return union(annotations.of(schemas.reference(node), name) for node in operation.responses.values())


MARK = "# Written by `sp00ky generate`, which writes it anew: change nothing here.\n"
"""The first line of each module, by which it is known to be one."""

HEAD = """\
# ruff: noqa
# fmt: off
# pyright: reportUnusedImport=false
from __future__ import annotations

"""

IMPORTS: Mapping[str, tuple[str, ...]] = {
    "collections.abc": ("Mapping", "Sequence"),
    "datetime": ("date", "datetime"),
    "typing": ("Any", "Literal", "NotRequired", "TypeAlias", "TypedDict", "Unpack", "cast", "overload"),
    "uuid": ("UUID",),
    "sp00ky_core": ("CallerConnection", "CommonJobOptions", "Outbox"),
    "sp00ky_core.generate": (
        *("Calls", "ExplicitBody", "ExplicitCookie", "ExplicitHeader", "ExplicitPath", "ExplicitQuery"),
        *("FormFile", "JobOf", "NoPayload", "Result", "SyncCalls", "TypedCalls", "check_documents"),
    ),
    "sp00ky_core.sync": ("SyncOutbox",),
}
"""What a module may need."""

OWN = ("DOCUMENTS", "Strategy", "Options", "SyncOptions", "TypedOutbox", "TypedSyncOutbox")
"""Names of a module that no document has a say in."""

OPTIONS = """\
class Options(CommonJobOptions, total=False):
    retry_strategy: Strategy | None
    connection: CallerConnection


class SyncOptions(Options, total=False):
    autocommit: bool
"""


@attrs.frozen(kw_only=True)
class _Kind:
    """The asynchronous or the synchronous half of a module."""

    prefix: str
    define: str
    wait: str
    documented: str


_KINDS = (
    _Kind(prefix="", define="async def", wait="await ", documented="outbox"),
    _Kind(prefix="Sync", define="def", wait="", documented="outbox.asynchronous"),
)


@attrs.frozen(kw_only=True)
class _Backend:
    name: str
    attribute: str
    calls_class: str  # "Api" of ApiCalls and SyncApiCalls
    calls: Sequence[Call]


def module_text(backends: Mapping[str, Backend], strategies: Iterable[str]) -> str:
    """Return the module's text: the same for the same documents, backends and strategies."""
    names = Names((*OWN, *chain(*IMPORTS.values()), *dir(builtins)))
    attributes = Names({"outbox", "run", "wait"}, separator="_")
    described, statements = [], []
    for name, backend in backends.items():
        stem = names.stem(class_name(name), *(f"{kind.prefix}{{}}Calls" for kind in _KINDS))
        attribute = attributes.unique(attribute_name(name), f"{attribute_name(name)}_")
        calls, needed = calls_of(name, backend.contract, names)
        statements += needed
        described.append(_Backend(name=name, attribute=attribute, calls_class=stem, calls=calls))
    body = "\n\n".join([_constants(backends, strategies), OPTIONS, *statements, *_classes(described)])
    imports = "".join(f"from {module} import {', '.join(names)}\n" for module, names in IMPORTS.items())
    return f"{MARK}{HEAD}{imports}\n{body}"


def changed(backends: Mapping[str, Backend], module: str) -> Path | str | None:
    """Return the first document that a module's text wasn't made of; None: there is none."""
    for name, backend in backends.items():
        if _document(name, backend) not in module:
            return backend.config.spec or backend.config.base_url
    return None


def _document(name: str, backend: Backend) -> str:
    return f"    {name!a}: {backend.contract.document.digest!a},\n"


def _constants(backends: Mapping[str, Backend], strategies: Iterable[str]) -> str:
    listed = ", ".join(map(ascii, sorted(strategies)))
    lines = "".join(_document(name, backend) for name, backend in backends.items())
    return f"DOCUMENTS = {{\n{lines}}}\n\nStrategy: TypeAlias = Literal[{listed}]\n"


def _classes(backends: Sequence[_Backend]) -> Iterable[str]:
    for kind in _KINDS:
        yield from (_calls_class(kind, backend) for backend in backends)
        yield _outbox_class(kind, backends)


def _calls_class(kind: _Kind, backend: _Backend) -> str:
    methods = "\n".join(_method(kind, call) for call in backend.calls) or "    pass\n"
    return f"class {kind.prefix}{backend.calls_class}Calls({kind.prefix}Calls):\n{methods}"


def _method(kind: _Kind, call: Call) -> str:
    return (
        f"    {kind.define} {call.name}(self, {_payload(call)}, **options: Unpack[{kind.prefix}Options]) "
        f"-> JobOf[{call.result}]:\n        {f'Enqueue {call.operation.long_name}.'!a}\n"
        f"        return {kind.wait}self._run({call.operation.name!a}, payload, options)\n"
    )


def _payload(call: Call) -> str:
    return f"payload: {call.payload} | None = None" if call.may_be_empty else f"payload: {call.payload}"


def _outbox_class(kind: _Kind, backends: Sequence[_Backend]) -> str:
    made = "".join(
        f"        self.{backend.attribute}: {kind.prefix}{backend.calls_class}Calls = "
        f"{kind.prefix}{backend.calls_class}Calls(outbox, {backend.name!a})\n"
        for backend in backends
    )
    return (
        f"class Typed{kind.prefix}Outbox(TypedCalls[{kind.prefix}Outbox]):\n"
        f"    def __init__(self, outbox: {kind.prefix}Outbox) -> None:\n"
        f"        super().__init__(outbox)\n"
        f"        check_documents({kind.documented}, __file__, DOCUMENTS)\n"
        f"{made}\n{_run(kind, backends)}\n"
        f"    {kind.define} wait(self, job: JobOf[Result], *, timeout: float | None = None) "
        f"-> JobOf[Result]:\n"
        f"        'Return a job once it has ended.'\n"
        f"        return cast('JobOf[Result]', {kind.wait}self.outbox.wait(job.id, timeout=timeout))\n"
    )


def _run(kind: _Kind, backends: Sequence[_Backend]) -> str:
    """Return ``run`` with its overloads: one for each type of payload; there is none without a second."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for backend in backends:
        for call in backend.calls:
            spellings = grouped.setdefault((backend.name, _payload(call), call.result), [])
            spellings += map(ascii, filter(is_plain_text, call.operation.spellings))
    signatures = [
        f"self, backend: Literal[{name!a}], path: Literal[{', '.join(paths)}], {payload}, "
        f"**options: Unpack[{kind.prefix}Options]) -> JobOf[{result}]:"
        for (name, payload, result), paths in grouped.items()
    ]
    body = (
        f"        return cast('JobOf[Any]', {kind.wait}self.outbox.run(backend, path, payload, **options))\n"
    )
    doc = "        'Enqueue one call of a backend.'\n"
    if len(signatures) == 1:
        body = body.replace("**options", "**dict[str, Any](options)")
        return f"    {kind.define} run({signatures[0]}\n{doc}{body}"
    overloads = "".join(f"    @overload\n    {kind.define} run({signature} ...\n" for signature in signatures)
    general = "self, backend: str, path: str, payload: Any = None, **options: Any"
    return f"{overloads}    {kind.define} run({general}) -> JobOf[Any]:\n{doc}{body}"
