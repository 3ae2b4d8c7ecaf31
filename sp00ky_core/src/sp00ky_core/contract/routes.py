"""Read ``paths`` of an OpenAPI document: the route of each path, and the parts of its payload."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import attrs

from sp00ky_core.contract.documents import DocumentProblem, Documents, Node
from sp00ky_core.contract.headers import CLOSED_HEADERS, HEADER_NAME, SIGNATURE_HEADERS
from sp00ky_core.contract.path_safety import path_problem
from sp00ky_core.contract.schema import composing

__all__ = ["Route", "RouteParts", "described_routes"]

_MAIN_METHODS = ("get", "put", "patch", "delete")
_SIDE_METHODS = ("head", "options", "trace")  # count only where there is none of the main ones
_BODILESS = frozenset({"GET", "HEAD"})
_PARAMETER = re.compile(r"\{([^{}]+)\}")
_SEPARATORS = {"form": ",", "spaceDelimited": " ", "pipeDelimited": "|"}  # by a parameter's style
# A JSON Patch (RFC 6902) is a list, and a payload is an object.
_ANY_JSON = re.compile(r"application/json|(?!application/json-patch\+json).*\+json|application/\*|\*/\*")
_NAMED_JSON = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+\+json( *;[ -~]*)?", re.ASCII | re.IGNORECASE)
# OpenAPI leaves the first two to other parts of a document, the others are the transport's own.
_NOT_FILLED = CLOSED_HEADERS.union(
    ("accept", "content-type", "idempotency-key", "sp00ky-attempt"),
    SIGNATURE_HEADERS,
)


@attrs.frozen(kw_only=True)
class Route:
    """One entry of ``paths``, with the method that a job uses.

    Attributes:
        path: exactly the key in the document.
        method: upper case.
        path_parameters: filled from the payload, one percent-encoded segment each.
        query_parameters: those that the document declares, in its order; filled from the payload.
        header_parameters: likewise.
        required_parameters: those of the query and the headers without which no request is right.
        query_separators: what joins the items of a list, by query parameter; others repeat their name.
        content_type: of the body.
        has_body: whether the payload is sent as the body; else it is sent as the query.
    """

    path: str
    method: str
    path_parameters: tuple[str, ...] = ()
    query_parameters: tuple[str, ...] = ()
    header_parameters: tuple[str, ...] = ()
    required_parameters: tuple[str, ...] = ()
    query_separators: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    content_type: str = "application/json"
    has_body: bool = attrs.field()

    @has_body.default
    def _has_body(self) -> bool:
        return self.method not in _BODILESS


@attrs.frozen(kw_only=True)
class RouteParts:
    """A route, and the schemas of what its payload is made of.

    Attributes:
        route: the route.
        body: the schema of its JSON body; None where anything goes.
        parameters: the schema of each parameter, by name.
        operation_id: what the document calls it; None: nothing that is a text.
    """

    route: Route
    body: Node | None
    parameters: Mapping[str, Node]
    operation_id: str | None = None


@attrs.frozen(kw_only=True)
class _Body:
    schema: Node | None = None  # None where anything goes
    content_type: str = "application/json"
    is_sent: bool = True


def described_routes(documents: Documents) -> Iterator[tuple[str, RouteParts | str]]:
    """Every path of a document: its route, or why it can't be called.

    Raises:
        DocumentProblem: the document has no paths.
    """
    paths = documents.root.get("paths")
    if paths is None or not isinstance(paths.value, dict):
        problem = "it is missing" if paths is None or paths.value is None else "it is no mapping"
        raise DocumentProblem("paths", f"{problem}; expected a mapping from a path to what it takes")
    for path, item in paths.each():
        if not path.startswith("x-"):
            try:
                yield path, _route_parts(path, item)
            except DocumentProblem as error:
                yield path, error.problem


def _route_parts(path: str, item: Node) -> RouteParts:
    problem = path_problem(path) or _template_problem(path)
    if problem:
        raise DocumentProblem("", problem)
    items = _items(item)
    method = _method(items)
    operation = next(found for each in items if (found := each.get(method)))
    if not isinstance(operation.value, dict):
        raise DocumentProblem("", f"expected a mapping under {method!r}")
    body = _body(method, operation)
    parameters = _parameters([*reversed(items), operation])
    parts = _with_parameters(path, method.upper(), parameters, body)
    operation_id = operation.value.get("operationId")
    return attrs.evolve(parts, operation_id=operation_id if isinstance(operation_id, str) else None)


def _template_problem(path: str) -> str | None:
    if re.search(r"[{}]", _PARAMETER.sub("", path)):
        return "a parameter is written {name}"
    return None


def _items(item: Node) -> list[Node]:
    """Yield a path item, and the one that it refers to; what stands beside the reference goes first."""
    found = [item, item.followed()] if item.is_reference else [item]
    if not all(isinstance(each.value, dict) for each in found):
        raise DocumentProblem("", "expected a mapping from a method to an operation")
    return found


def _method(items: list[Node]) -> str:
    has = [name for each in items for name, value in each.value.items() if value is not None]
    if "post" in has:
        return "post"
    for methods in (_MAIN_METHODS, _SIDE_METHODS):
        found = [method for method in methods if method in has]
        if len(found) > 1:
            listed = ", ".join(found)
            raise DocumentProblem("", f"it has {listed} and no post, so it isn't clear which one a job means")
        if found:
            return found[0]
    raise DocumentProblem("", "it has no method that a job could use")


def _with_parameters(
    path: str, method: str, declared: Mapping[tuple[str, str], Node], body: _Body
) -> RouteParts:
    names = {place: [name for at, name in declared if at == place] for place in ("query", "header")}
    in_path = tuple(_PARAMETER.findall(path))
    filled = [("path", name) for name in in_path] + [
        (place, name) for place, listed in names.items() for name in listed
    ]
    schemas = {name: _schema(declared[place, name]) for place, name in filled if (place, name) in declared}
    required = [name for place, name in filled if place != "path" and _is_required(declared[place, name])]
    _refuse_objects({name: schemas.get(name) for name in (*in_path, *required)})
    route = Route(
        path=path,
        method=method,
        path_parameters=in_path,
        query_parameters=tuple(names["query"]),
        header_parameters=tuple(names["header"]),
        required_parameters=tuple(required),
        query_separators={
            name: found for name in names["query"] if (found := _separator(declared["query", name]))
        },
        content_type=body.content_type,
        has_body=body.is_sent,
    )
    return RouteParts(
        route=route, body=body.schema, parameters={name: node for name, node in schemas.items() if node}
    )


def _parameters(holders: list[Node]) -> dict[tuple[str, str], Node]:
    """Return the parameters that a job can fill, by place and name; the later holder's win."""
    found = {}
    for holder in holders:
        parameters = holder.get("parameters")
        for _, node in parameters.each() if parameters else ():
            parameter = node.followed()
            if isinstance(parameter.value, dict) and isinstance(parameter.value.get("name"), str):
                found[str(parameter.value.get("in")), parameter.value["name"]] = parameter
    return {(place, name): node for (place, name), node in found.items() if _is_filled(place, name, node)}


def _is_filled(place: str, name: str, parameter: Node) -> bool:
    """Whether a job fills a parameter. Raises ``DocumentProblem`` where it should and can't."""
    if place in {"path", "query"}:
        return True
    if place == "header" and HEADER_NAME.fullmatch(name):
        return name.lower() not in _NOT_FILLED
    if _is_required(parameter):
        raise DocumentProblem("", f"it requires the {place} {name[:80]!r}, which no job can have")
    return False


def _separator(parameter: Node) -> str | None:
    style = parameter.value.get("style", "form")
    explodes = parameter.value.get("explode", style == "form")
    return None if explodes else _SEPARATORS.get(str(style))


def _is_required(parameter: Node) -> bool:
    return parameter.value.get("required") is True


def _schema(parameter: Node) -> Node | None:
    """Return a parameter's schema: its own, or that of the one media type that it has."""
    schema = parameter.at("schema")
    if schema is not None:
        return schema
    content = parameter.get("content")
    media = next((node.followed() for _, node in content.each()), None) if content else None
    return media.at("schema") if media else None


def _refuse_objects(required: Mapping[str, Node | None]) -> None:
    for name, schema in required.items():
        if _is_object(schema):
            problem = f"it requires the parameter {name[:80]!r} to be an object, which no job can send"
            raise DocumentProblem("", problem)


def _is_object(schema: Node | None) -> bool:
    """Whether nothing but an object, or null, fits a schema."""
    for part in composing(schema, "allOf") if schema else ():
        kinds = part.value.get("type")
        listed = kinds if isinstance(kinds, list) else [kinds]
        if "object" in listed and all(kind in ("object", "null", None) for kind in listed):
            return True
    return False


def _body(method: str, operation: Node) -> _Body:
    request = operation.get("requestBody") if method.upper() not in _BODILESS else None
    content = request.get("content") if request else None
    if content is None or not isinstance(content.value, dict) or not content.value:
        return _Body(is_sent=method in {"post", "put", "patch"})
    media = min(filter(_is_json, content.value), key=_precision, default=None)
    if media is None:
        taken = " ".join(", ".join(content.value).split())[:200]
        raise DocumentProblem("", f"it takes {taken}, and a job is sent as application/json")
    node = content.get(media)
    content_type = media if _NAMED_JSON.fullmatch(media) else "application/json"
    return _Body(schema=node.at("schema") if node else None, content_type=content_type)


def _essence(media: str) -> str:
    return media.partition(";")[0].strip().casefold()


def _is_json(media: str) -> bool:
    return bool(_ANY_JSON.fullmatch(_essence(media)))


def _precision(media: str) -> tuple[int, str]:
    others = 1 if _NAMED_JSON.fullmatch(media) else 2
    return {"application/json": 0, "application/*": 3, "*/*": 4}.get(_essence(media), others), media
