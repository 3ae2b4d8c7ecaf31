"""Say who looks at the dashboard, and what they may do and see."""

from __future__ import annotations

import attrs
from starlette.exceptions import HTTPException

__all__ = ["Operator"]


@attrs.frozen(kw_only=True)
class Operator:
    """Who looks at the dashboard.

    Attributes:
        name: As the audit has it; None: it isn't known who.
        read_only: They may change nothing, even where the dashboard allows changes.
        hide_payloads: They see no payload, no result, and no reason of an error, which may quote them.
        tenant: To whom all that they see and do is limited; None: it is the outbox's own operator.
    """

    name: str | None
    read_only: bool = False
    hide_payloads: bool = False
    tenant: str | None = None

    def within(self, limits: Operator) -> Operator:
        """Return the same, who may do and see no more than others may."""
        hidden = self.hide_payloads or limits.hide_payloads
        return attrs.evolve(self, read_only=self.read_only or limits.read_only, hide_payloads=hidden)

    def check_may_write(self) -> None:
        """Raise ``HTTPException`` where they may change nothing."""
        if self.read_only:
            raise HTTPException(403, "This dashboard is read-only.")

    def seen(self, reason: str | None) -> str:
        """Return why something failed, which may quote a payload or an answer; empty where it is hidden."""
        return "" if self.hide_payloads else reason or ""
