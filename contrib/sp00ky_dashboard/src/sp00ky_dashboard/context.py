"""Carry what every page works with, and who looks at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar, cast

import attrs
from starlette.requests import Request

from sp00ky_core import Outbox
from sp00ky_dashboard.access.authentication import Operator
from sp00ky_dashboard.observe.live import Live
from sp00ky_dashboard.observe.reads import FRESH_SECONDS, Reads
from sp00ky_dashboard.operate.bulk import BulkWork

Result = TypeVar("Result")

SCOPE_KEY = "sp00ky_dashboard.context"


@attrs.frozen(kw_only=True)
class Context:
    """Carry what a dashboard has, and the operator of one request.

    Attributes:
        outbox: The outbox, open.
        reads: What is read of it, shared by all browsers.
        live: Streams of changes to browsers.
        bulk: Operations on many jobs that go on in the background.
        operator: Who asks.
        patience: Seconds that a page waits for what it reads; None: as long as it takes.
    """

    outbox: Outbox
    reads: Reads
    live: Live
    bulk: BulkWork
    operator: Operator
    patience: float | None = None

    async def read(
        self, question: Hashable, ask: Callable[[], Awaitable[Result]], *, fresh: float = FRESH_SECONDS
    ) -> Result:
        """Return what is read, maybe for others too. Raises ``StillReading`` where it takes long."""
        return await self.reads.get(question, ask, fresh=fresh, patience=self.patience)


def context_of(request: Request) -> Context:
    """Return the context of a request."""
    return cast("Context", request.scope[SCOPE_KEY])
