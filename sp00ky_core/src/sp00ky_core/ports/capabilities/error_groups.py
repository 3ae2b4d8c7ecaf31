"""Promise to group jobs by their last error."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from sp00ky_core.ports.stats import ErrorGroup

__all__ = ["ErrorGroups"]


class ErrorGroups(Protocol):
    """A store with ``capabilities.error_groups``. Without it ``errors`` raises ``CallUnsupported``."""

    async def errors(self, *, since: datetime | None = None, limit: int = 100) -> list[ErrorGroup]:
        """Group the jobs that are failed, or pending after a failed attempt, by their last error.

        Those whose ``updated_at`` is ``since`` or later. The largest groups first, at most ``limit``.
        """
