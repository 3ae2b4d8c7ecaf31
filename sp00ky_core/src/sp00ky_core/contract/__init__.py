"""OpenAPI document -> Contract: which routes a backend has, and what their payloads must be."""

from sp00ky_core.contract.loading import Contract, load_contract
from sp00ky_core.contract.path_safety import path_problem
from sp00ky_core.contract.routes import Route

__all__ = ["Route", "Contract", "load_contract", "path_problem"]
