"""Deliver jobs as a runner does, in whatever process, and note when each was certainly under way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import attrs

from sp00ky_conformance.store.harness import API, settlement
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import SettleFate, Settlement, Store

__all__ = ["Delivery", "deliver"]

ATTEMPT = 0.002
"""Seconds for which a job is under way, so that others claim meanwhile."""


@attrs.frozen
class Delivery:
    """A job that was claimed and delivered, for some moments of which it was certainly ``processing``.

    Attributes:
        job_id: The job's id.
        claimed: When the claim's reply was there, by the clock that all processes of a machine share.
        settled: When the settlement was about to be sent.
    """

    job_id: str
    claimed: float
    settled: float


async def deliver(store: Store, *, runner: str, slots: int) -> list[Delivery]:
    """Claim and deliver until nothing is pending."""
    done: list[Delivery] = []
    while (jobs := await store.claim({API: slots}, runner)) or (await store.stats())[API].pending:
        claimed = time.monotonic()
        await asyncio.sleep(ATTEMPT)
        done += [Delivery(job.id, claimed, time.monotonic()) for job in jobs]
        await _settle(store, [settlement(job, Delivered()) for job in jobs])
    return done


async def _settle(store: Store, settlements: Sequence[Settlement]) -> None:
    """Settle, as a runner does: again where another claim has a row locked for a moment."""
    while settlements:
        results = await store.settle(settlements)
        pairs = zip(settlements, results, strict=True)
        settlements = [pair for pair, result in pairs if result.fate is SettleFate.BUSY]
