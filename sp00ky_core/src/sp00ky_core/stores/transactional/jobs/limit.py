"""Grant a claim so many jobs as a backend's rate and its limit of attempts in flight leave."""

from __future__ import annotations

import math
from datetime import datetime

import attrs

from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.rows import instant_of
from sp00ky_core.stores.transactional.connection.session import Is, Row, Session
from sp00ky_core.stores.transactional.observe.filters import PROCESSING, leased
from sp00ky_core.stores.transactional.schema.definition import CONTROLS, job_table

__all__ = ["Budget", "lock_control", "read_budget", "spend", "PASSED"]

PASSED = 0.02
"""Seconds until another claim where this one passes, for another is at the same backend."""

FULL = 0.25
"""Seconds until another claim where as many attempts are in flight as may be; their end sends no signal."""


@attrs.frozen(kw_only=True)
class Budget:
    """Limits of a claim, as they are before it.

    Attributes:
        tokens: Requests that the rate allows now; infinite without a rate.
        per_second: Tokens that come in a second.
        places: Attempts that may begin; infinite without a limit.
        is_ahead: The tokens were counted at an instant that is yet to come: the clock has gone back.
    """

    tokens: float = math.inf
    per_second: float = math.inf
    places: float = math.inf
    is_ahead: bool = False

    def grant(self, slots: int) -> int:
        """Return how many of so many jobs may be claimed."""
        return max(math.floor(min(slots, self.tokens, self.places)), 0)

    def retry_in(self, taken: int) -> float:
        """Return the seconds until there may be more, after a claim that took all that was granted."""
        missing = max(1 - (self.tokens - taken), 0.0)
        for_token = math.ceil(missing / self.per_second * 1e6) / 1e6  # the clock's resolution
        return max(for_token, FULL if self.places - taken < 1 else 0.0)


async def lock_control(session: Session, backend: str) -> bool:
    """Lock a backend's row, which is made where it is missing; False: another transaction has it."""
    where = [Is("backend", "=", backend)]
    if await session.select(CONTROLS, where, columns=["backend"], lock=True):
        return True
    if await session.count(CONTROLS, where):
        return False
    try:
        async with session.savepoint():
            await session.insert(CONTROLS, [{"backend": backend}])
    except RowRefused:
        return False
    return True


async def read_budget(session: Session, table: JobTable, control: Row, now: datetime) -> Budget:
    """Read what a table's limits leave. ``control``: its backend's row, empty where there is none."""
    budget = Budget()
    if (rate := table.rate) is not None:
        since = instant_of(control.get("tokens_at")) or now
        elapsed = max((now - since).total_seconds(), 0.0)
        saved = control.get("tokens")
        tokens = rate.burst if saved is None else min(rate.burst, saved + elapsed * rate.per_second)
        budget = attrs.evolve(budget, tokens=tokens, per_second=rate.per_second, is_ahead=since > now)
    if table.max_in_flight is not None:
        stored = job_table(table.table)
        in_flight = await session.count(stored, [PROCESSING]) + await session.count(stored, leased(now))
        budget = attrs.evolve(budget, places=table.max_in_flight - in_flight)
    return budget


async def spend(session: Session, table: JobTable, budget: Budget, taken: int, now: datetime) -> None:
    """Write down that jobs were taken; each has cost a token."""
    if table.rate is not None and (taken or budget.is_ahead):
        values = {"tokens": budget.tokens - taken, "tokens_at": now}
        await session.update(CONTROLS, [Is("backend", "=", table.backend)], values)
