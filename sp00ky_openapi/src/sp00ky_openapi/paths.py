"""Read ``paths`` of an OpenAPI document or of Swagger 2.0: its operations, or why one can't be called."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote

import attrs

from sp00ky_openapi.bodies import essence, format_of, is_json, precedence, sendable
from sp00ky_openapi.documents import DocumentProblem, Documents, Node
from sp00ky_openapi.operation import RESERVED, Body, Encoding, Operation, Parameter, Place, Scheme
from sp00ky_openapi.safety import (
    CLOSED_HEADERS,
    HEADER_NAME,
    KEY_HEADER,
    SIGNATURE_HEADERS,
    path_problem,
    query_problem,
)
from sp00ky_openapi.schema import is_read_only
from sp00ky_openapi.value_types import allows_common, is_base64, is_bytes, types_of

__all__ = ["METHODS"]

METHODS = ("post", "get", "put", "patch", "delete", "head", "options")
"""The methods of OpenAPI but trace."""
_MAIN = frozenset(METHODS[1:5])  # one of these is a path's only method, whatever else there is beside it
_BODILESS = frozenset({"get", "head"})
_TEMPLATED = re.compile(r"\{([^{}]+)\}")
_SERIALIZED = frozenset({"explode", "allowReserved"})  # a field of a form that has one has a style, too
_DELIMITED = frozenset({"spaceDelimited", "pipeDelimited", "tabDelimited"})
_STYLES: Mapping[Place, frozenset[str]] = {
    "path": _DELIMITED | {"simple", "label", "matrix"},
    "query": _DELIMITED | {"form", "deepObject"},
    "header": _DELIMITED | {"simple"},
    "cookie": frozenset({"form"}),
}
# OpenAPI ignores the first three as parameters; all are sent anyway, or belong to the connection.
_SENT = {"accept", "content-type", "authorization", "host", "content-length", "accept-encoding"}
_SENT |= {"connection", "sp00ky-attempt"}
_CLOSED = CLOSED_HEADERS.union(SIGNATURE_HEADERS)
_IN_BODY = frozenset({"body", "formData"})  # of Swagger


@attrs.frozen(kw_only=True)
class PathItem:
    """Hold what a document says of one path.

    Attributes:
        path: The path.
        operations: By method, upper case: the operation, or why it can't be called.
        ids: By method: the ``operationId``.
        problem: Why nothing of it can be; its operations say so, too.
    """

    path: str
    operations: Mapping[str, Operation | str] = attrs.field(factory=dict)
    ids: Mapping[str, str] = attrs.field(factory=dict)
    problem: str = ""

    @property
    def short(self) -> str | None:
        """The method that the path alone stands for; None: it isn't clear which."""
        if "POST" in self.operations:
            return "POST"
        main = [method for method in self.operations if method.lower() in _MAIN]
        methods = main or list(self.operations)
        return methods[0] if len(methods) == 1 else None


Sources = Mapping[tuple[str, str], str]
"""What fills parameters, by their place and name; the name of a header is in lower case."""


OptionsOf = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Returns what an operation's own keys (``x-...``) say of ``Operation``'s fields. Raises ``ValueError``."""


def no_options(_written: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read no further keys of an operation."""
    return {}


def path_items(
    documents: Documents, configured: Sources, options_of: OptionsOf = no_options
) -> Iterator[PathItem]:
    """Read every path of a document; ``configured`` is what no payload fills.

    Raises:
        DocumentProblem: the document has no paths.
    """
    paths = documents.root.get("paths")
    if paths is None or not isinstance(paths.value, dict):
        problem = "it is missing" if paths is None or paths.value is None else "it isn't a mapping"
        raise DocumentProblem(f"{problem}; expected a mapping from a path to what it takes", "paths")
    reading = _Reading(documents, configured, options_of)
    for path, item in paths.children():
        if not path.startswith("x-"):
            try:
                yield reading.path_item(path, item)
            except DocumentProblem as error:
                written = item.value if isinstance(item.value, dict) else {}
                unusable = {method.upper(): error.problem for method in METHODS if method in written}
                yield PathItem(path=path, operations=unusable, problem=error.problem, ids=dict(_ids([item])))


class _Reading:
    """Read operations, with what they share in the document."""

    def __init__(self, documents: Documents, configured: Sources, options_of: OptionsOf) -> None:
        self._configured = configured
        self._options_of = options_of
        self._root = documents.root
        self._is_swagger = documents.is_swagger
        self._schemes = dict(_schemes(self._root))

    def path_item(self, path: str, item: Node) -> PathItem:
        plain, has_query, query = path.partition("?")
        if problem := path_problem(plain) or (query_problem(query) if has_query else None):
            raise DocumentProblem(problem)
        if re.search(r"[{}]", _TEMPLATED.sub("", plain)):
            raise DocumentProblem("a parameter is written {name}")
        items = _items(item)
        held = {method: node for method in METHODS if (node := _first(items, method)) is not None}
        if not held:
            raise DocumentProblem("it has no method that a job could use")
        shared = [*reversed(items)]
        operations = {
            method.upper(): self._read((plain, query), method, node, shared) for method, node in held.items()
        }
        return PathItem(path=path, operations=operations, ids=dict(_ids(shared)))

    def _read(self, at: tuple[str, str], method: str, node: Node, shared: list[Node]) -> Operation | str:
        try:
            return self._operation(at, method, node.followed(), shared)
        except DocumentProblem as error:
            return error.problem

    def _operation(self, at: tuple[str, str], method: str, node: Node, shared: list[Node]) -> Operation:
        path, query = at
        if not isinstance(node.value, dict):
            raise DocumentProblem(f"expected a mapping under {method!r}")
        declared, request = _declared([*shared, node]), node.get("requestBody")
        if self._is_swagger:
            declared, request = as_openapi_3(self._root, node, declared)
        fixed = {("query", name): "the path's query" for name, _ in parse_qsl(query, keep_blank_values=True)}
        known = {**self._configured, **fixed}
        sources = {key: known.get((key[0], _folded(*key))) for key in declared}
        configured = {key: source for key, source in sources.items() if source}
        left = {key: node for key, node in declared.items() if key not in configured}
        parameters, bodies = _filled(path, left), _bodies(method, request)
        filled = {(parameter.place, parameter.name) for parameter in parameters}
        operation = Operation(
            path=path,
            query=query,
            method=method.upper(),
            parameters=parameters,
            bodies=bodies,
            needs_body=bool(bodies) and _is_required(request),
            configured=configured,
            withheld=frozenset(key for key in left.keys() - filled if key[0] not in _IN_BODY),
            security=self._security(node),
            responses=dict(_responses(node)),
            **self._options(node.value),
        )
        return _formed(operation)

    def _options(self, written: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self._options_of(written)
        except ValueError as error:
            raise DocumentProblem(str(error)) from None

    def _security(self, node: Node) -> tuple[tuple[Scheme, ...], ...]:
        listed = node.at("security") or self._root.at("security")
        if listed is None or not isinstance(listed.value, list):
            return ()
        alternatives = [choice for choice in listed.value if isinstance(choice, dict)]
        if not all(alternatives):
            return ()  # an empty one: nothing is needed
        unknown = Scheme(type="")
        return tuple(tuple(self._schemes.get(name, unknown) for name in names) for names in alternatives)


def _schemes(root: Node) -> Iterator[tuple[str, Scheme]]:
    components = root.get("components")
    held = root.at("securityDefinitions") or (components.at("securitySchemes") if components else None)
    for name, node in held.children() if held else ():
        try:
            value = node.followed().value
        except DocumentProblem:
            continue  # what needs it isn't met by anything
        if isinstance(value, dict):
            is_basic = str(value.get("scheme", "")).lower() == "basic"
            kind = "basic" if is_basic else str(value.get("type"))  # Swagger 2 has that type
            yield name, Scheme(type=kind, place=str(value.get("in", "")), key=str(value.get("name", "")))


def _items(item: Node) -> list[Node]:
    """Return a path item, and the one that it refers to; what stands beside the reference goes first."""
    items = [item, item.followed()] if item.is_reference else [item]
    if not all(isinstance(node.value, dict) for node in items):
        raise DocumentProblem("expected a mapping from a method to an operation")
    return items


def _ids(items: Iterable[Node]) -> Iterator[tuple[str, str]]:
    """Yield the methods of a path that have an ``operationId``, and that; the later item's wins."""
    for item in items:
        for method in METHODS if isinstance(item.value, dict) else ():
            held = item.value.get(method)
            if isinstance(held, dict) and isinstance(held.get("operationId"), str):
                yield method.upper(), held["operationId"]


def _first(items: Iterable[Node], key: str) -> Node | None:
    return next((node for item in items if (node := item.at(key)) and node.value is not None), None)


def _declared(holders: Iterable[Node]) -> Declared:
    """Return the parameters of an operation, by place and name, empty for none; the later holder's win."""
    parameters = {}
    for holder in holders:
        for _, node in holder.entries("parameters"):
            parameter = node.followed()
            if isinstance(parameter.value, dict):
                name = parameter.value.get("name")
                parameters[str(parameter.value.get("in")), name if isinstance(name, str) else ""] = parameter
    return parameters


def _folded(place: str, name: str) -> str:
    return name.lower() if place == "header" else name


def _filled(path: str, declared: Declared) -> tuple[Parameter, ...]:
    """Return the parameters that a job fills. Raises ``DocumentProblem`` where it should and can't."""
    templated = dict.fromkeys(_TEMPLATED.findall(path))
    in_path = [
        _parameter("path", name, declared["path", name])
        if ("path", name) in declared
        else Parameter(place="path", name=name, required=True)
        for name in templated
    ]
    others = [
        _parameter(place, name, node)
        for (place, name), node in declared.items()
        if _is_filled(place, name, node)
    ]
    return (*in_path, *others)


def _is_filled(place: str, name: str, parameter: Node) -> bool:
    if place == "path" or place in _IN_BODY:
        return False  # read by what the path needs, and as the body
    if name and (place == "query" or (place == "cookie" and HEADER_NAME.fullmatch(name))):
        return True
    if place == "header" and name.lower() in _SENT:
        return False
    if place == "header" and HEADER_NAME.fullmatch(name) and name.lower() not in _CLOSED:
        return True
    if _is_required(parameter):
        which = f"the {place} {name[:80]!r}" if name else f"a parameter in: {place} without a name"
        raise DocumentProblem(f"it requires {which}, which no job can have")
    return False


def _parameter(place: Any, name: str, node: Node) -> Parameter:
    media = next(node.entries("content"), None)
    schema = node.at("schema")
    if schema is None and media is not None:
        schema = media[1].followed().at("schema")
    options: dict[str, Any] = {}
    if node.value.get("style") in _STYLES[place]:
        options["style"] = node.value["style"]
    if isinstance(node.value.get("explode"), bool):
        options["explode"] = node.value["explode"]
    return Parameter(
        place=place,
        name=name,
        required=place == "path" or (_is_required(node) and _folded(place, name) != KEY_HEADER),
        allow_reserved=node.value.get("allowReserved") is True,
        content_type=media[0] if media else None,
        schema=schema,
        **options,
    )


def _is_required(node: Node | None) -> bool:
    return node is not None and isinstance(node.value, dict) and node.value.get("required") is True


def _bodies(method: str, request: Node | None) -> tuple[Body, ...]:
    content = request.get("content") if request else None
    if method in _BODILESS or content is None or not isinstance(content.value, dict):
        if method in _BODILESS and _is_required(request):
            raise DocumentProblem(f"it requires a body, and a {method.upper()} has none")
        return ()
    bodies = [body for name, node in content.children() if (body := _body(name, node.followed()))]
    if content.value and not bodies:
        taken = " ".join(", ".join(content.value).split())[:200]
        raise DocumentProblem(f"it takes {taken}, and a job can't be sent as that")
    return tuple(sorted(bodies, key=lambda body: precedence(body.media_type)))


def _body(media_type: str, media: Node) -> Body | None:
    schema = media.at("schema")
    written = format_of(media_type, schema)
    if written is None:
        return None
    documents, fields = media.documents, schema if written == "multipart" else None
    has_styles = written == "form" or documents.minor > 0 or documents.is_swagger
    return Body(
        media_type=media_type,
        content_type=sendable(media_type, written),
        format=written,
        schema=schema,
        files=frozenset(name for name, node in properties(fields) if is_bytes(node)),
        encoded=frozenset(name for name, node in properties(fields) if is_base64(node)),
        encodings=dict(_encodings(media, has_styles=has_styles)),
    )


def _encodings(media: Node, *, has_styles: bool) -> Iterator[tuple[str, Encoding]]:
    """Yield how properties of a form are written; in OpenAPI 3.0 those of multipart have no styles."""
    for name, node in media.entries("encoding"):
        value = node.followed().value
        if isinstance(value, dict):
            style = value.get("style", None if _SERIALIZED.isdisjoint(value) else "form")
            listed = str(value.get("contentType", "")).split(",")
            yield (
                name,
                Encoding(
                    content_types=tuple(filter(None, map(str.strip, listed))),
                    style=style if has_styles and style in _STYLES["query"] else None,
                    explode=value.get("explode", style in (None, "form", "deepObject")) is True,
                    allow_reserved=value.get("allowReserved") is True,
                ),
            )


def properties(body: Node | None) -> Iterator[tuple[str, Node]]:
    """Yield the properties that a body declares, in whatever it is composed of."""
    for schema in body.composing("allOf", "anyOf", "oneOf") if body else ():
        yield from schema.entries("properties")


def _responses(operation: Node) -> Iterator[tuple[str, Node | None]]:
    """Yield the schemas of what an operation answers when it has done its work, by status."""
    for status, node in operation.entries("responses"):
        if re.fullmatch(r"2[0-9Xx]{2}", status):
            try:
                response = node.followed()
                media = {essence(name): content for name, content in response.entries("content")}
            except DocumentProblem:
                continue  # says nothing about what can be called
            json = next((content for name, content in media.items() if is_json(name)), None)
            yield status, response.at("schema") or (json.at("schema") if json else None)


def _formed(operation: Operation) -> Operation:
    """Say which form an operation's payloads take, and what its flat form's body doesn't hold."""
    names = {parameter.name for parameter in operation.parameters}
    names |= {name for _, name in (*operation.configured, *operation.withheld) if name}
    schema = operation.body.schema if operation.body else None
    known: dict[str, list[Node]] = {}
    answered: set[str] = set()
    for name, node in properties(schema):
        if name in names and is_read_only(node):
            answered.add(name)
        else:
            known.setdefault(name, []).append(node)
    required = _required(schema).difference(answered) if schema and names else set()
    reason = _why_explicit(operation, known)
    return attrs.evolve(
        operation,
        form="explicit" if reason else "flat",
        reason=reason,
        own=frozenset(names.difference(known).difference(required)),
        declares_reserved=not RESERVED.isdisjoint(names | known.keys()),
    )


def _required(body: Node) -> set[str]:
    listed = [part.value.get("required") for part in body.composing("allOf")]
    return {name for names in listed if isinstance(names, list) for name in names if isinstance(name, str)}


def _why_explicit(operation: Operation, known: Mapping[str, list[Node]]) -> str:
    """Say why no flat payload could tell what goes where; empty: one can."""
    body = operation.body
    if body and (body.format in ("text", "binary") or "object" not in types_of(body.schema)):
        return f"its body, {body.media_type}, isn't an object"
    if body and body.content_type is None:
        return f"its body is any of {body.media_type}"
    places: dict[str, list[Node | None]] = {}
    for parameter in operation.parameters:
        places.setdefault(parameter.name, []).append(parameter.schema)
    for name, schemas in places.items():
        declared: Sequence[Node | None] = known.get(name) or [None]  # alternatives may declare it differently
        is_shared = len(schemas) > 1 or name in known
        if is_shared and not any(allows_common([*schemas, schema]) for schema in declared):
            return f"no value fits all that it calls {name[:80]!r}"
    return ""


Declared = Mapping[tuple[str, str], Node]
"""The parameters of an operation, by place and name."""

_COLLECTIONS: Mapping[str, tuple[str, bool]] = {
    "csv": ("form", False),
    "ssv": ("spaceDelimited", False),
    "tsv": ("tabDelimited", False),
    "pipes": ("pipeDelimited", False),
    "multi": ("form", True),
}
_FORM, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


def as_openapi_3(root: Node, operation: Node, declared: Declared) -> tuple[Declared, Node | None]:
    """Return an operation's parameters, and its ``requestBody``; None: it has none."""
    consumes = operation.get("consumes") or root.get("consumes")
    listed = consumes.value if consumes and isinstance(consumes.value, list) else []
    media_types = [media_type for media_type in listed if isinstance(media_type, str)]
    fields = {name: node for (place, name), node in declared.items() if place == "formData"}
    body = next((node for (place, _), node in declared.items() if place == "body"), None)
    request: Any = None
    if body is not None:
        media = (
            {"schema": {"$ref": f"{body.uri}#{quote(body.pointer)}/schema"}} if "schema" in body.value else {}
        )
        request = {
            "required": body.value.get("required"),
            "content": dict.fromkeys(media_types or ["application/json"], media),
        }
    elif fields:
        request = _form(fields, media_types)
    parameters = {
        key: attrs.evolve(node, value={**node.value, "schema": _itself(node), **_style(node)})
        for key, node in declared.items()
    }
    pointer = f"{operation.pointer}/requestBody"
    return parameters, attrs.evolve(operation, pointer=pointer, value=request) if request else None


def _form(fields: Mapping[str, Node], media_types: list[str]) -> dict[str, Any]:
    files = {name for name, node in fields.items() if node.value.get("type") == "file"}
    if not media_types or any(format_of(name, None) for name in media_types):
        forms = [name for name in media_types if essence(name) in (_FORM, _MULTIPART)] or [_FORM]
        media_types = [_MULTIPART] if files else forms
    file = {"type": "string", "format": "binary"}
    required = [name for name, node in fields.items() if node.value.get("required") is True]
    schema = {
        "type": "object",
        "properties": {name: file if name in files else _itself(node) for name, node in fields.items()},
        "required": required,
        "additionalProperties": False,
    }
    media = {"schema": schema, "encoding": {name: _style(node) for name, node in fields.items()}}
    return {"required": bool(required), "content": dict.fromkeys(media_types, media)}


def _style(node: Node) -> dict[str, Any]:
    style, explode = _COLLECTIONS.get(str(node.value.get("collectionFormat")), _COLLECTIONS["csv"])
    return {"style": style, "explode": explode}


def _itself(node: Node) -> dict[str, str]:
    return {"$ref": f"{node.uri}#{quote(node.pointer)}"}
