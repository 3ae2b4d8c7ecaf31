"""Show each backend's queue, its rates and failures, and the fleet."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
from starlette.requests import Request
from starlette.responses import Response

from sp00ky_core import BackendStats
from sp00ky_core.backend.backend import Backend, queues
from sp00ky_core.ports import SettingsRecord
from sp00ky_dashboard.context import context_of
from sp00ky_dashboard.observe import rates
from sp00ky_dashboard.observe.rates import RANGES, Series, series_of
from sp00ky_dashboard.rendering import render


@attrs.frozen(kw_only=True)
class Queue:
    """The queue of one backend, or of those that share a table, as its card shows it.

    Attributes:
        backend: Itself.
        names: Of all backends that share its table.
        stats: Its numbers.
        series: Its attempts over time.
        in_flight: Attempts that the living runners make now.
        slots: Attempts that they make at a time, at most.
        settings: What operators have set; None: nothing.
    """

    backend: Backend
    names: tuple[str, ...]
    stats: BackendStats
    series: Series
    in_flight: int
    slots: int
    settings: SettingsRecord | None


async def overview(request: Request) -> Response:
    """Answer ``/``."""
    context = context_of(request)
    within = RANGES.get(request.query_params.get("range", "hour"), RANGES["hour"])
    outbox, read = context.outbox, context.read
    numbers = await rates.stats(outbox, read)
    found = await rates.attempts(outbox, read, within, datetime.now(UTC))
    living = [runner for runner in await read("runners", outbox.runners) if runner.state != "dead"]
    settings = await read("settings", outbox.settings)
    cards = [
        Queue(
            backend=queue,
            names=(names := (name, *(other.name for other in queue.sharing))),
            stats=numbers.get(name, BackendStats()),
            series=series_of(found, names),
            in_flight=sum(runner.info.in_flight.get(shared, 0) for runner in living for shared in names),
            slots=sum(runner.info.slots.get(name, 0) for runner in living),
            settings=settings.get(name),
        )
        for name, queue in queues(outbox.backends).items()
    ]
    return render(request, "overview.html", cards=cards, runners=living, within=within, ranges=RANGES)
