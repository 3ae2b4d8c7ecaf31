"""Know where deliveries go: endpoints as they were read a moment ago, and what is written down of them."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from pkgutil import resolve_name
from typing import Any, cast

import attrs

from sp00ky_core import Job
from sp00ky_core.errors import ConfigError, Sp00kyError
from sp00ky_core.ports import ExtensionTransaction, Is, Row, Where
from sp00ky_webhooks.api import Webhooks
from sp00ky_webhooks.model import Target
from sp00ky_webhooks.signatures import Sealed
from sp00ky_webhooks.tables import ENDPOINTS, SUBSCRIPTIONS, target_of, version_of

__all__ = ["Targets"]

logger: logging.Logger = logging.getLogger(__name__)

FRESH = 2.0
"""Seconds for which an endpoint is used as it was read."""
MOST = 20_000
"""Endpoints that are remembered."""

Provider = Callable[[str], Awaitable[Target | None] | Target | None]
"""An application's own function: where an endpoint is, by its id; None: there is none."""


class Targets:
    """The endpoints that deliveries go to."""

    def __init__(self, calls: Webhooks) -> None:
        self._calls = calls
        self._provider = provider_of(calls.options.endpoints)
        self._known: dict[str, tuple[float, Target | Sealed | None]] = {}  # with when it was read
        self._reading: asyncio.Task[None] | None = None
        self._asked: set[str] = set()
        self._shut: set[str] = set()  # endpoints whose deliveries were put off
        self._writing: set[asyncio.Task[Any]] = set()

    async def get(self, endpoint_id: str) -> Target | None:
        """Return where an endpoint is, as it was at most 2 s ago. Raises ``Sealed``, ``StoreError``."""
        read_at, target = self._known.get(endpoint_id, (-math.inf, None))
        if self._now() - read_at > FRESH:
            target = await self._read(endpoint_id)
        if isinstance(target, Sealed):
            raise target
        return target

    def is_for(self, target: Target, job: Job) -> bool:
        """Tell whether an endpoint may get a job: one of a tenant goes to endpoints of theirs alone."""
        return self._provider is not None or job.assigned_to in {None, target.assigned_to}

    def rate_of(self, endpoint_id: str) -> str | None:
        """Return the rate of an endpoint that is known already."""
        _, target = self._known.get(endpoint_id, (0.0, None))
        return target.rate if isinstance(target, Target) else None

    def succeeded(self, endpoint_id: str, target: Target) -> None:
        """Note an answer of 2xx: it fails no more, and what is published starts at once."""
        if target.failing_since is not None or endpoint_id in self._shut:
            self._shut.discard(endpoint_id)
            self._fails_since(endpoint_id, None)
            answered: Row = {"failing_since": None, "not_before": None, "updated_at": 0.0}
            self._later(self._note(endpoint_id, answered))

    def failed(self, endpoint_id: str, target: Target) -> None:
        """Note a failure; the first one's time is kept."""
        if target.failing_since is None:
            self._fails_since(endpoint_id, datetime.now(UTC))
            first = Is("failing_since", "=", None)
            self._later(self._note(endpoint_id, {"failing_since": 0.0, "updated_at": 0.0}, first))

    def _fails_since(self, endpoint_id: str, instant: datetime | None) -> None:
        read_at, target = self._known.get(endpoint_id, (0.0, None))
        if isinstance(target, Target):
            self._known[endpoint_id] = (read_at, attrs.evolve(target, failing_since=instant))

    def gone(self, endpoint_id: str) -> None:
        """Note that an endpoint wants no more: it answers 410."""
        if self._provider is None:
            self._known.pop(endpoint_id, None)
            self._later(self._calls.disable_failed(endpoint_id, "it answered 410 Gone"))

    async def put_off(self, endpoint_id: str, seconds: float) -> None:
        """Have what is published start so many seconds later."""
        self._shut.add(endpoint_id)
        await self._note(endpoint_id, {"not_before": seconds})

    async def close(self) -> None:
        """Let what is being written end."""
        if self._writing:
            await asyncio.wait(self._writing, timeout=FRESH)

    async def _read(self, endpoint_id: str) -> Target | Sealed | None:
        """Read an endpoint, and with it all that are asked for at the same time."""
        self._asked.add(endpoint_id)
        while endpoint_id in self._asked:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.ensure_future(self._read_asked())
            await asyncio.shield(self._reading)
        return self._known.get(endpoint_id, (0.0, None))[1]

    async def _read_asked(self) -> None:
        await asyncio.sleep(0)  # for others that ask at the same time
        now, asked = self._now(), {*self._asked}
        try:
            found = await self._found(asked)
        finally:
            self._asked -= asked
        for name in asked:
            self._known.pop(name, None)
            self._known[name] = (now, found.get(name))  # the latest is the last
        for name in [*self._known][: max(len(self._known) - MOST, 0)]:
            del self._known[name]

    async def _found(self, asked: Collection[str]) -> Mapping[str, Target | Sealed | None]:
        if (provider := self._provider) is not None:
            return {name: await _awaited(provider(name)) for name in asked}

        async def work(tx: ExtensionTransaction) -> Mapping[str, Target | Sealed]:
            rows = await tx.select(ENDPOINTS, [Is("id", "in", tuple(asked))])
            return {row["id"]: self._target(row, tx.now) for row in rows}

        return await self._calls.context.read(work)

    def _target(self, row: Row, now: datetime) -> Target | Sealed:
        _, known = self._known.get(row["id"], (0.0, None))
        if isinstance(known, Target) and known.version == version_of(row, now):
            return known  # to decrypt takes longer than all else
        try:
            return target_of(row, now)
        except Sealed as problem:
            return problem

    async def _note(self, endpoint_id: str, noted: Row, *conditions: Where) -> None:
        """Write down what was found out of an endpoint of ours; instants as seconds from now."""

        async def write(tx: ExtensionTransaction) -> None:
            changes = {n: s if s is None else tx.now + timedelta(seconds=s) for n, s in noted.items()}
            await tx.update(ENDPOINTS, [Is("id", "=", endpoint_id), *conditions], changes)
            if "not_before" in changes:
                only = {"not_before": changes["not_before"]}
                await tx.update(SUBSCRIPTIONS, [Is("endpoint_id", "=", endpoint_id)], only)

        if self._provider is None:
            await self._calls.context.transact(write)

    def _later(self, writing: Any) -> None:
        task = asyncio.ensure_future(_logged(writing))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


async def _logged(writing: Awaitable[Any]) -> None:
    try:
        await writing
    except Sp00kyError as error:  # the next delivery finds the same
        logger.warning("what an endpoint answers can't be written down yet: %s", error)


async def _awaited(given: Any) -> Target | None:
    found = await given if inspect.isawaitable(given) else given
    return found if isinstance(found, Target) else None


def provider_of(place: str | None) -> Provider | None:
    """Import an application's function, ``module:name``. Raises ``ConfigError``."""
    if place is None:
        return None
    try:
        return cast("Provider", resolve_name(place))
    except (ImportError, AttributeError, ValueError) as error:
        problem = f"{place!r} can't be imported: {error}; write module:function"
        raise ConfigError(file="", key="webhooks.endpoints", problem=problem) from None
