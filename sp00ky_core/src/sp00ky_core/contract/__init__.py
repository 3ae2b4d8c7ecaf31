"""OpenAPI document -> Contract: which routes a backend has, and what their payloads must be."""

from sp00ky_core.contract.loading import Contract, load_contract
from sp00ky_core.contract.routes import Route
from sp00ky_core.paths import path_problem

__all__ = ["Route", "Contract", "load_contract", "path_problem"]
