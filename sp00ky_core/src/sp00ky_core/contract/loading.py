"""From a backend's OpenAPI document to its Contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jsonschema_rs

from sp00ky_core.config import BackendConfig
from sp00ky_core.contract.documents import DocumentProblem, Documents
from sp00ky_core.contract.payload import PayloadCheck, SchemaProblem, compiled
from sp00ky_core.contract.routes import Route, RouteSchema, route_schemas
from sp00ky_core.errors import ContractError, Violation

__all__ = ["Contract", "load_contract"]


class Contract:
    """A backend's routes."""

    routes: Mapping[str, Route]
    """By path, exactly as the document has it."""

    def __init__(self, checks: Iterable[PayloadCheck]) -> None:
        self._checks = {check.route.path: check for check in checks}
        self.routes = MappingProxyType({path: check.route for path, check in self._checks.items()})

    def route(self, path: str) -> Route | None:
        """The route of a path; None if there is none."""
        return self.routes.get(path)

    def violations(self, path: str, payload: Mapping[str, Any]) -> list[Violation]:
        """Every way in which a payload breaks the contract of a route; values are not quoted.

        Raises:
            KeyError: the path is none of ``routes``.
        """
        return self._checks[path].violations(payload)


def load_contract(backend: BackendConfig) -> Contract:
    """Read a backend's OpenAPI document (YAML or JSON, 3.0 or 3.1) and the files that it refers to.

    Raises:
        ContractError: the document, the key, and what to do.
    """
    try:
        documents = Documents(backend.spec)
        registry = _registry(documents)
        described = list(route_schemas(documents))
        validator = _validator(documents, described, registry)
    except DocumentProblem as error:
        problem = error.problem + _hint(backend.spec, backend.name)
        raise ContractError(file=str(backend.spec), key=error.key, problem=problem) from None
    return Contract(PayloadCheck(each, validator) for each in described)


def _hint(spec: Path, name: str) -> str:
    return "" if spec.exists() else f"; write one there, or mend `spec` of the backend {name!r}"


def _registry(documents: Documents) -> jsonschema_rs.Registry:
    try:
        return jsonschema_rs.Registry(documents.resources, draft=jsonschema_rs.Draft202012)
    except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
        raise DocumentProblem("", f"it can't be read as JSON Schema: {str(error)[:300]}") from None


def _validator(
    documents: Documents, described: list[RouteSchema], registry: jsonschema_rs.Registry
) -> jsonschema_rs.Draft202012Validator:
    try:
        return compiled(described, registry)
    except SchemaProblem:
        for each in described:
            _refuse_alone(documents, each, registry)
        raise DocumentProblem("paths", "its schemas can't be used together") from None


def _refuse_alone(documents: Documents, described: RouteSchema, registry: jsonschema_rs.Registry) -> None:
    """Say which route it is whose schema can't be compiled."""
    try:
        compiled([described], registry)
    except SchemaProblem as error:
        route = described.route
        problem = documents.why_missing(str(error)) or f"its schema can't be used: {error}"
        raise DocumentProblem(f"paths.{route.path}.{route.method.lower()}", problem) from None
