"""Show each backend's queue, its rates and failures, and the fleet."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from starlette.requests import Request
from starlette.responses import Response

from sp00ky_core import BackendStats, RunnerRecord
from sp00ky_core.backend import Backend, queues
from sp00ky_dashboard.context import context_of
from sp00ky_dashboard.observe import rates
from sp00ky_dashboard.observe.rates import RANGES, Series
from sp00ky_dashboard.render import page


@attrs.frozen(kw_only=True)
class Queue:
    """One backend, as its card shows it.

    Attributes:
        backend: Itself.
        stats: Its numbers.
        series: Its attempts over time; None: there are no rollups.
        slots: Attempts that the living runners make at a time.
    """

    backend: Backend
    stats: BackendStats
    series: Series | None
    slots: int

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all backends that share the table."""
        return (self.backend.name, *(each.name for each in self.backend.sharing))


async def overview(request: Request) -> Response:
    """``/``."""
    context = context_of(request)
    within = RANGES.get(request.query_params.get("range", "hour"), RANGES["hour"])
    outbox, read = context.outbox, context.read
    numbers = await read("stats", lambda: rates.stats(outbox))
    series = await read(("rates", within.name), lambda: rates.series(outbox, within))
    runners = await read("runners", outbox.runners)
    cards = [_queue(each, numbers, series, runners) for each in queues(outbox.backends).values()]
    living = [each for each in runners if each.state != "dead"]
    return page(
        request, "overview.html", cards=cards, runners=living, within=within, ranges=RANGES, rates=series
    )


def _queue(
    backend: Backend,
    numbers: Mapping[str, BackendStats],
    series: Mapping[str, Series] | None,
    runners: list[RunnerRecord],
) -> Queue:
    living = [each for each in runners if each.state != "dead"]
    return Queue(
        backend=backend,
        stats=numbers.get(backend.name, BackendStats()),
        series=None if series is None else series.get(backend.name),
        slots=sum(each.info.slots.get(backend.name, 0) for each in living),
    )
