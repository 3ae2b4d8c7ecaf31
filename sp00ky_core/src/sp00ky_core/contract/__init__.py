"""OpenAPI document -> Contract: which operations a backend has, and what their payloads must be."""

from sp00ky_core.contract.loading import Contract, load_contract
from sp00ky_core.contract.operation import Body, Operation, Parameter
from sp00ky_core.contract.safety import path_problem

__all__ = ["Body", "Contract", "Operation", "Parameter", "load_contract", "path_problem"]
