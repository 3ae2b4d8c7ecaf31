"""Describe the functions of a backend: an OpenAPI document of their signatures, and a line for each."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from sp00ky_core import BackendConfig
from sp00ky_tasks.tasks import Tasks
from sp00ky_transport_asgi.target import Target, TargetProblem

__all__ = ["document_of", "signatures_of", "tasks_of"]

_STATED = {"max_retries": "x-sp00ky-max-retries", "timeout": "x-sp00ky-timeout"}
_REFERENCES = "#/components/schemas/{model}"


def tasks_of(backend: BackendConfig) -> Tasks:
    """Import a backend's ``Tasks``. Raises ``TargetProblem``."""
    target = Target.of(backend)
    found = target.find()
    if not isinstance(found, Tasks):
        raise TargetProblem(f"{target} is no Tasks, but of the type {type(found).__name__}; name your Tasks")
    if found.backend != backend.name:
        problem = f"{target} is Tasks({found.backend!r}), and this backend is {backend.name!r}"
        raise TargetProblem(f"{problem}; give both one name")
    return found


def document_of(backend: BackendConfig) -> Mapping[str, Any]:
    """Return an OpenAPI document, with a POST for each function and alias. Raises ``Sp00kyError``."""
    tasks = tasks_of(backend).by_path.items()
    made: Any = [(path, "validation", task.signature.arguments) for path, task in tasks]
    made += [(path, "serialization", task.signature.result) for path, task in tasks]
    schemas, shared = TypeAdapter.json_schemas(made, ref_template=_REFERENCES)
    content: dict[Any, Any] = {
        key: {"content": {"application/json": {"schema": schema}}} for key, schema in schemas.items()
    }
    paths = {
        path: {
            "post": {
                "operationId": path[1:],
                **{key: task.options.get(name) for name, key in _STATED.items()},
                "requestBody": {"required": True, **content[path, "validation"]},
                "responses": {"200": {"description": "its result", **content[path, "serialization"]}},
            }
        }
        for path, task in tasks
    }
    info, components = {"title": backend.name, "version": "1"}, {"schemas": shared.get("$defs", {})}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": components}


def signatures_of(backend: BackendConfig) -> Sequence[str]:
    """Write a line for each function: its path and signature, which it is, what takes any JSON value."""
    lines = []
    for path, task in tasks_of(backend).by_path.items():
        untyped = ", ".join(task.signature.untyped)
        more = f"; without an annotation, so any JSON value: {untyped}" if untyped else ""
        if stated := ", ".join(f"{name} {task.options[name]:g}" for name in _STATED if name in task.options):
            more += f"; {stated}, which a row that a client INSERTs has to say itself"
        whole = inspect.signature(task.function, eval_str=True)
        own = whole.replace(parameters=[whole.parameters[argument] for argument in task.names])
        lines.append(f"{path}{own}: {task}{more}")
    return lines
