"""Stream changes to browsers as server-sent events: one look at the queues for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any

import attrs
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import StreamingResponse

from sp00ky_core import Outbox
from sp00ky_core.errors import JobNotFound, StoreError
from sp00ky_core.stores.subscription import Broadcast
from sp00ky_dashboard.context import context_of
from sp00ky_dashboard.observe.cache import Cache
from sp00ky_dashboard.observe.rates import stats, this_minute

MOST_STREAMS = 200
"""Browsers' pages that are kept up to date; further ones are refused, and show what they showed."""

STREAM_SECONDS = 60.0
"""Then the browser connects again, and is asked again who it is."""

SHORTEST_SECONDS = 1.0
"""Between two looks; one that takes its time makes it longer."""

SLOW_SECONDS = 1.0
"""For which a look may take; then it is reported, so that a page says that it waits for the database."""

CHANGED = b"event: changed\ndata:\n\n"
COMMENT = b": \n\n"
"""Sent first, so that the browser knows that the stream stands."""


TICKING: dict[str, Any] = dict.fromkeys(("oldest_due_s", "oldest_deferred_s"))
"""Numbers that change with the clock alone."""


async def look(outbox: Outbox, cache: Cache) -> Hashable:
    """Return what is reported to browsers when it changes."""
    queues = await stats(outbox, cache.get)
    runners = await cache.get("runners", outbox.runners)
    numbers = {name: attrs.evolve(queue, **TICKING) for name, queue in queues.items()}
    fleet = [(runner.id, runner.state, runner.info) for runner in runners]
    return repr(numbers), repr(fleet), repr(await this_minute(outbox, cache.get, datetime.now(UTC)))


async def events(request: Request) -> StreamingResponse:
    """Answer ``/events``: changes of the queues, or with ``job`` of one job."""
    live = context_of(request).live
    if live.is_full:
        raise HTTPException(503, "Too many pages are open.", {"Retry-After": "30"})
    stream = live.stream(request.query_params.get("job"))
    if request.method == "HEAD":
        await stream.aclose()
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


class Live:
    """Streams to browsers, fed by one task while there is any."""

    def __init__(self, outbox: Outbox, look: Callable[[], Awaitable[Hashable]]) -> None:
        """Take what is looked at: a change of what ``look`` returns is reported."""
        self._outbox, self._look = outbox, look
        self._changed = Broadcast()
        self._feeding: asyncio.Task[None] | None = None
        self._streams = 0
        self._limits: set[asyncio.Timeout] = set()

    @property
    def is_full(self) -> bool:
        """Whether no further stream is served."""
        return self._changed.closed or self._streams >= MOST_STREAMS

    async def stream(self, job_id: str | None = None) -> AsyncGenerator[bytes, None]:
        """Yield an event at each change: of the queues, or of one job."""
        self._streams += 1
        try:
            yield COMMENT
            async with aclosing(self._job(job_id) if job_id else self._queues()) as changes:
                ends_at = asyncio.get_running_loop().time() + STREAM_SECONDS
                while await self._is_changed(changes, ends_at):
                    yield CHANGED
        finally:
            self._streams -= 1

    async def _is_changed(self, changes: AsyncGenerator[None, None], ends_at: float) -> bool:
        """Wait for the next change; False: none came in time, or the server is to stop."""
        limit = asyncio.timeout_at(0 if self._changed.closed else ends_at)
        self._limits.add(limit)
        try:
            async with limit:
                await anext(changes)
        except (TimeoutError, StopAsyncIteration):
            return False
        finally:
            self._limits.discard(limit)
        return True

    def close(self) -> None:
        """End all streams, for the server is to stop."""
        self._changed.close()
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(0)
        if self._feeding is not None:
            self._feeding.cancel()

    async def _queues(self) -> AsyncGenerator[None, None]:
        if self._feeding is None or self._feeding.done():
            self._feeding = asyncio.create_task(self._feed())
        async with aclosing(self._changed.subscribe()) as changes:
            await anext(changes, None)  # as the page has them
            async for _ in changes:
                yield

    async def _job(self, job_id: str) -> AsyncGenerator[None, None]:
        with suppress(JobNotFound, StoreError):
            async with aclosing(self._outbox.watch(job_id)) as states:
                await anext(states)  # as the page has it
                async for _ in states:
                    yield
        yield  # it has ended, or is gone
        async with aclosing(self._queues()) as changes:  # an operator may retry it
            async for _ in changes:
                yield

    async def _feed(self) -> None:
        """Look again and again while anyone waits; a database that is away is reported as a change is."""
        seen: Hashable = None
        while self._streams:
            try:
                now = await self._looked()
            except StoreError as error:
                now = str(error)
            if seen not in {None, now}:
                self._changed.send()
            seen = now
            await asyncio.sleep(SHORTEST_SECONDS)

    async def _looked(self) -> Hashable:
        looking = asyncio.ensure_future(self._look())
        try:
            await asyncio.wait([looking], timeout=SLOW_SECONDS)
            if not looking.done():
                self._changed.send()
            return await looking
        finally:
            looking.cancel()
