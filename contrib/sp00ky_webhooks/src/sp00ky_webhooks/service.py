"""Disable endpoints that fail for long, and say what is wrong with a configuration."""

from __future__ import annotations

import attrs

from sp00ky_core.errors import ConfigError
from sp00ky_core.ports import Finding
from sp00ky_webhooks.api import Webhooks

__all__ = ["Disabler", "findings"]

EVERY = 60.0
"""Seconds between two looks."""


@attrs.frozen
class Disabler:
    """Looks for endpoints that do nothing but fail; see ``sp00ky_core.ports.Service``."""

    _webhooks: Webhooks

    async def look(self) -> float:
        """Disable them; whose turn it isn't looks a little later."""
        if self._webhooks.options.endpoints is None and self._webhooks.context.share("webhooks"):
            await self._webhooks.disable_failing()
        return EVERY

    async def close(self) -> None:
        """Do nothing: it holds nothing."""


async def findings(webhooks: Webhooks) -> list[Finding]:
    """Say what is wrong with how webhooks are configured."""
    try:
        name = webhooks.backend
    except ConfigError:
        return []
    backend = webhooks.context.backends[name]
    if not backend.sharing and backend.table.backend == name:
        return []
    subject, table = f"backends.{name}", backend.config.table
    problem = f"other backends share its table {table}"
    follows = "an endpoint that is down holds up their jobs, or theirs its own"
    return [Finding.stopping(subject, problem, follows, "give it a table of its own: `method.table`")]
