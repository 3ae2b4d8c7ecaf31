"""Write and read JSON Pointers (RFC 6901), which say where in a document something is."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["pointer_of", "steps_of"]


def pointer_of(steps: Iterable[str | int]) -> str:
    """Write a pointer: empty for the document itself, ``/items/0`` for the first of its items."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def steps_of(pointer: str) -> list[str]:
    """Read a pointer's keys and indexes; it can't say which of them are numbers."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
