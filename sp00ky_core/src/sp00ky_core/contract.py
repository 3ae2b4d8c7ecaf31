"""OpenAPI document -> Contract: which routes a backend has, and what their payloads must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from sp00ky_core.config import BackendConfig
from sp00ky_core.errors import Violation
from sp00ky_core.paths import path_problem

__all__ = ["Route", "Contract", "load_contract", "path_problem"]


@attrs.frozen(kw_only=True)
class Route:
    """One entry of ``paths``, with the method that a job uses."""

    path: str  # exactly the key in the document
    method: str  # upper case
    path_parameters: tuple[str, ...] = ()  # filled from the payload, one percent-encoded segment each


class Contract:
    """A backend's routes."""

    routes: Mapping[str, Route]

    def violations(self, path: str, payload: Mapping[str, Any]) -> list[Violation]:
        """Every way in which a payload breaks the contract of a route."""
        raise NotImplementedError


def load_contract(backend: BackendConfig) -> Contract:
    """Read a backend's OpenAPI document. Raises ``ContractError``."""
    raise NotImplementedError
