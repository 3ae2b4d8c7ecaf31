"""Disable endpoints that fail for long, and say what is wrong with a configuration."""

from __future__ import annotations

from datetime import timedelta

import attrs

from sp00ky_core.errors import ConfigError
from sp00ky_core.ports import ExtensionTransaction, Finding, Gauge, Is
from sp00ky_webhooks.api import Webhooks
from sp00ky_webhooks.tables import ENDPOINTS

__all__ = ["Disabler", "findings", "metrics"]

FAILING_FOR = timedelta(hours=1)
"""How long an endpoint has done nothing but fail until it counts: its owner's deploy is over by then."""

MOST_COUNTED = 10_000
"""Endpoints that fail and are counted."""

EVERY = 60.0
"""Seconds between two looks."""


@attrs.define
class Disabler:
    """Looks for endpoints that do nothing but fail; see ``sp00ky_core.ports.Service``."""

    _webhooks: Webhooks
    _next: float = 0.0

    async def look(self) -> float:
        """Disable them; whose turn it isn't looks a little later. Each job that ends wakes it in vain."""
        if (left := self._next - self._webhooks.context.clock()) > 0:
            return left
        self._next = self._webhooks.context.clock() + EVERY
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
    subject, found = f"backends.{name}", list[Finding]()
    if backend.config.proxy is not None:
        follows = "endpoints are connected to from here"
        fix = "remove it, and have your network let this host out"
        found.append(Finding.warning(f"{subject}.proxy", "webhooks go through no proxy", follows, fix))
    if backend.sharing or backend.table.backend != name:
        problem = f"other backends share its table {backend.config.table}"
        follows = "an endpoint that is down holds up their jobs, or theirs its own"
        fix = "give it a table of its own: `method.table`"
        found.append(Finding.stopping(subject, problem, follows, fix))
    return found


async def metrics(webhooks: Webhooks) -> list[Gauge]:
    """Count the endpoints that fail."""

    async def work(tx: ExtensionTransaction) -> int:
        where = [Is("failing_since", "<", tx.now - FAILING_FOR), Is("enabled", "=", 1)]
        return len(await tx.select(ENDPOINTS, where, columns=("id",), limit=MOST_COUNTED))

    count = 0 if webhooks.options.endpoints else await webhooks.context.read(work)
    text = "Endpoints that have done nothing but fail for over an hour, and aren't disabled."
    return [Gauge(name="sp00ky_endpoints_failing", text=text, values={"": count})]
