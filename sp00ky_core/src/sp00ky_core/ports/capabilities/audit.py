"""Promise to keep what operators have done."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from sp00ky_core.ports.operators import Act, AuditEntry


class Audit(Protocol):
    """A store with ``capabilities.audit``. Without it operators' calls raise ``CallUnsupported``.

    Entries are kept for ``AUDIT_KEPT``; ``Retention.prune`` deletes them.
    """

    async def start_audit(self, act: Act) -> str:
        """Write down an act that is about to be done; the entry's id."""

    async def update_audit(self, entry_id: str, *, count: int, ended: bool = False) -> None:
        """Write down how far an act has come."""

    async def audit(
        self, *, since: datetime | None = None, limit: int = 100, after: str | None = None
    ) -> list[AuditEntry]:
        """List entries, newest first; ``after``: the last of the page before. Raises ``OptionInvalid``."""
