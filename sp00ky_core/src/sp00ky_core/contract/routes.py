"""``paths`` of an OpenAPI document -> routes, and the schema that each one's payload has to meet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import attrs

from sp00ky_core.contract.documents import DocumentProblem, Documents, Node
from sp00ky_core.paths import path_problem

__all__ = ["Route", "RouteSchema", "route_schemas"]

_OTHER_METHODS = ("get", "put", "patch", "delete")
_PARAMETER = re.compile(r"\{([^{}]+)\}")
_ANY_JSON = re.compile(r"application/json|.*\+json|application/\*|\*/\*")


@attrs.frozen(kw_only=True)
class Route:
    """One entry of ``paths``, with the method that a job uses."""

    path: str  # exactly the key in the document
    method: str  # upper case
    path_parameters: tuple[str, ...] = ()  # filled from the payload, one percent-encoded segment each
    query_parameters: tuple[str, ...] = ()  # those that the document declares, in its order


@attrs.frozen(kw_only=True)
class RouteSchema:
    """A route, and what its payload must be."""

    route: Route
    schema: dict[str, Any]  # JSON Schema, with references into the documents
    refusal: str | None = None  # why no payload at all can be right


def route_schemas(documents: Documents) -> Iterator[RouteSchema]:
    """Every route of a document.

    Raises:
        DocumentProblem: a path that may not be requested, without a clear method, or a broken reference.
    """
    paths = documents.root.value.get("paths")
    if not isinstance(paths, dict):
        raise DocumentProblem("paths", "it is missing; expected a mapping from a path to what it takes")
    for path in paths:
        if not path.startswith("x-"):
            yield from _route_schemas_at(documents, path)


def _route_schemas_at(documents: Documents, path: str) -> Iterator[RouteSchema]:
    """The route of a path; none where it only has methods that a job can't use."""
    key = f"paths.{path}"
    problem = path_problem(path) or _template_problem(path)
    if problem:
        raise DocumentProblem(key, f"no job could be sent there: {problem}")
    try:
        item = _path_item(documents, path)
        method = _method(item)
        if method is not None:
            yield _route_schema(path, method, item)
    except DocumentProblem as error:
        raise DocumentProblem(error.key or key, error.problem) from None


def _path_item(documents: Documents, path: str) -> Node:
    paths = documents.root.get("paths")
    item = paths.get(path) if paths else None
    if item is None or not isinstance(item.value, dict):
        raise DocumentProblem("", "expected a mapping from a method to an operation")
    return item


def _template_problem(path: str) -> str | None:
    if re.search(r"[{}]", _PARAMETER.sub("", path)):
        return "a parameter is written {name}"
    return None


def _method(item: Node) -> str | None:
    if "post" in item.value:
        return "post"
    others = [method for method in _OTHER_METHODS if method in item.value]
    if len(others) > 1:
        raise DocumentProblem(
            "", f"it has {', '.join(others)} and no post, so it isn't clear which one a job means; leave one"
        )
    return others[0] if others else None


def _route_schema(path: str, method: str, item: Node) -> RouteSchema:
    operation = item.get(method)
    if operation is None or not isinstance(operation.value, dict):
        raise DocumentProblem("", f"expected a mapping under {method!r}")
    names = tuple(_PARAMETER.findall(path))
    parameters = _parameters(item, operation)
    query = {name: node for (place, name), node in parameters.items() if place == "query"}
    schemas = query | {name: parameters.get(("path", name)) for name in names}
    body, refusal = (None, None) if method == "get" else _body(operation)
    required = [*names, *(name for name, node in query.items() if node.value.get("required") is True)]
    return RouteSchema(
        route=Route(path=path, method=method.upper(), path_parameters=names, query_parameters=tuple(query)),
        schema={
            **_reference(body),
            "properties": {name: _reference(_schema(node)) for name, node in schemas.items() if node},
            "required": list(dict.fromkeys(required)),
        },
        refusal=refusal,
    )


def _reference(schema: Node | None) -> dict[str, Any]:
    return {"$ref": schema.location} if schema else {}


def _parameters(item: Node, operation: Node) -> dict[tuple[str, str], Node]:
    """Parameters by place and name; the operation's own win over those of its path."""
    found = {}
    for holder in (item, operation):
        parameters = holder.get("parameters")
        for _, node in parameters.each() if parameters else ():
            if isinstance(node.value, dict) and isinstance(node.value.get("name"), str):
                found[str(node.value.get("in")), node.value["name"]] = node
    return found


def _schema(parameter: Node) -> Node | None:
    """A parameter's schema: its own, or that of the one media type that it has."""
    schema = parameter.at("schema")
    if schema is not None:
        return schema
    content = parameter.get("content")
    media = next((node for _, node in content.each()), None) if content else None
    return media.at("schema") if media else None


def _body(operation: Node) -> tuple[Node | None, str | None]:
    """The schema of the JSON body, if it has one, and why no JSON body can be right."""
    request = operation.get("requestBody")
    content = request.get("content") if request else None
    if content is None or not isinstance(content.value, dict) or not content.value:
        return None, None
    media = next(iter(sorted(filter(_is_json, content.value), key=_precision)), None)
    if media is None:
        taken = ", ".join(content.value)[:200]
        return None, f"the route takes {taken}, and a job is sent as application/json"
    node = content.get(media)
    return (node.at("schema") if node else None), None


def _essence(media: str) -> str:
    return media.partition(";")[0].strip().casefold()


def _is_json(media: str) -> bool:
    return bool(_ANY_JSON.fullmatch(_essence(media)))


def _precision(media: str) -> int:
    return {"application/json": 0, "application/*": 2, "*/*": 3}.get(_essence(media), 1)
