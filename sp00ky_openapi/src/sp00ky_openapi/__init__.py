"""OpenAPI document -> Contract: which operations a backend has, and what their payloads must be.

What isn't in ``__all__`` here or in a module may change without notice.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sp00ky_openapi.loading import Contract, DocumentError, load_contract
    from sp00ky_openapi.operation import Body, Operation, Parameter
    from sp00ky_openapi.safety import path_problem
    from sp00ky_openapi.violations import Violation

_ROOMS = {
    "loading": ("Contract", "DocumentError", "load_contract"),
    "operation": ("Body", "Operation", "Parameter"),
    "safety": ("path_problem",),
    "violations": ("Violation",),
}

__all__ = ["Body", "Contract", "DocumentError", "Operation", "Parameter", "Violation", "load_contract"]
__all__ += ["path_problem"]


def __getattr__(name: str) -> object:
    """Import what is asked for: who reads one error doesn't load a parser."""
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
