"""Promise to find what is wrong with the tables."""

from __future__ import annotations

from typing import Protocol

from sp00ky_core.ports.findings import Finding

__all__ = ["Checks"]


class Checks(Protocol):
    """A store with ``capabilities.checks``. Without it what ``migration`` would do is all that is found."""

    async def check(self) -> list[Finding]:
        """Find what is wrong with the tables, each finding with its consequence and its fix."""
