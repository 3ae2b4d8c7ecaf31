"""Deliver jobs to an ASGI application in the same process, without a socket."""

from collections.abc import Mapping
from typing import Any

__all__ = ["EXTENSION", "is_job"]

EXTENSION = "sp00ky"
"""In ``scope["extensions"]`` of a job's call: ``{"job", "attempt", "backend"}``."""


def is_job(scope: Mapping[str, Any]) -> bool:
    """Say whether this is a job's call: a runner's in this process, which no network client can make."""
    return EXTENSION in (scope.get("extensions") or {})
