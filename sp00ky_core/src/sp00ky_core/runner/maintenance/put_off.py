"""Put off the waiting jobs of routes that are shut or full, where each route of a backend is on its own."""

from __future__ import annotations

import asyncio

import attrs

from sp00ky_core.backend.backend import Backend
from sp00ky_core.gate.isolated_routes import IsolatedRoutes, PutOff
from sp00ky_core.ports import IsolatingTransport, Store, Transport
from sp00ky_core.runner.counters_and_log import Observer

AT_ONCE = 2_000
"""Jobs that one statement puts off at most."""


@attrs.define(eq=False)
class RoutesWriter:
    """Writes when jobs of such routes are due again, and tells their transport, for jobs that are new.

    Attributes:
        news: Set when there is something to be written.
    """

    _store: Store
    _observer: Observer
    news: asyncio.Event = attrs.field(factory=asyncio.Event)
    _kept: list[tuple[Backend, IsolatedRoutes, Transport]] = attrs.field(factory=list)

    def add(self, backend: Backend, routes: IsolatedRoutes, transport: Transport) -> None:
        """Write for the routes of one more backend."""
        self._kept.append((backend, routes, transport))

    async def run(self) -> None:
        """Write until cancelled. What can't be written is asked for again by the next job of its route."""
        while True:
            await self.news.wait()
            self.news.clear()
            for backend, routes, transport in self._kept:
                for put_off in routes.take_put_off():
                    with self._observer.tolerating("waiting jobs can't be put off"):
                        await self._write(backend, put_off, transport)

    async def _write(self, backend: Backend, put_off: PutOff, transport: Transport) -> None:
        if isinstance(transport, IsolatingTransport):
            await transport.put_off(put_off.route, put_off.seconds)
        jobs, moved = 0, AT_ONCE
        while moved >= AT_ONCE:
            name, seconds = backend.table.backend, put_off.after(jobs)
            moved = await self._store.put_off(name, put_off.route, seconds=seconds, limit=AT_ONCE)
            jobs += moved
