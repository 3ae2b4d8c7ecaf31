"""Carry what every page works with, and who looks at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs
from starlette.requests import Request

from sp00ky_core import Outbox
from sp00ky_dashboard.access.authorization import Operator
from sp00ky_dashboard.access.forms import Form
from sp00ky_dashboard.observe.cache import FRESH_SECONDS, Cache
from sp00ky_dashboard.operate.background_work import BulkWork
from sp00ky_dashboard.operate.fleet_actions import Act
from sp00ky_dashboard.operate.job_actions import JobAct

if TYPE_CHECKING:
    from sp00ky_dashboard.pages.event_stream import Live  # it needs this

Result = TypeVar("Result")

SCOPE_KEY = "sp00ky_dashboard.context"


@attrs.frozen(kw_only=True)
class Context:
    """Carry what a dashboard has, and the operator of one request.

    Attributes:
        outbox: The outbox, open.
        live: Streams of changes to browsers.
        cache: What is read of it, shared by all browsers.
        bulk: Operations on many jobs that go on in the background.
        acts: What operators can do, by the names that forms send.
        navigation: The path and the name of each page that is linked to everywhere.
        operator: Who asks.
        patience: Seconds that a page waits for what it reads; None: as long as it takes.
    """

    outbox: Outbox
    live: Live
    cache: Cache = attrs.field(factory=Cache)
    bulk: BulkWork = attrs.field(factory=BulkWork)
    acts: Mapping[str, JobAct | Act]
    navigation: Sequence[tuple[str, str]]
    operator: Operator
    patience: float | None = None

    async def read(
        self, question: Hashable, ask: Callable[[], Awaitable[Result]], *, fresh: float = FRESH_SECONDS
    ) -> Result:
        """Return what is read, maybe for others too. Raises ``StillReading`` where it takes long."""
        return await self.cache.get(question, ask, fresh=fresh, patience=self.patience)


def context_of(request: Request) -> Context:
    """Return the context of a request."""
    return cast("Context", request.scope[SCOPE_KEY])


def writing(request: Request) -> Context:
    """Return the context of a request that changes something. Raises ``HTTPException``: that isn't let."""
    context = context_of(request)
    context.operator.check_may_write()
    return context


def act_options(context: Context, form: Form) -> dict[str, Any]:
    """Return what the audit is to say: whom the dashboard has authenticated, and why they do it.

    Where that is a tenant, ``tenant`` is beside it: acts of their pages alone are called so.
    """
    tenant = context.operator.tenant
    limited = {} if tenant is None else {"tenant": tenant}
    return {"actor": context.operator.name, "reason": form.text("reason") or None, **limited}
