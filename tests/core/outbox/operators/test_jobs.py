"""What the store is called with: changes that are checked, and delays that spread."""

from datetime import timedelta
from typing import Any

import pytest
from tests.core.two_backends import ended

from sp00ky_core import Outbox
from sp00ky_core.errors import OptionInvalid


async def waits(outbox: Outbox) -> list[float]:
    """Seconds from each redrive to when the job is due, the next one first."""
    jobs = await outbox.find(limit=1_000)
    found = [(job.run_at, job.updated_at) for job in jobs]
    return sorted((due - at).total_seconds() for due, at in found if due and at)


async def test_named_jobs_become_due_evenly(outbox: Outbox) -> None:
    ids = await ended(outbox, 5)
    await outbox.redrive(*ids, over=timedelta(minutes=10))
    assert [round(wait) for wait in await waits(outbox)] == [0, 120, 240, 360, 480]


async def test_a_spread_that_cannot_be_is_refused(outbox: Outbox) -> None:
    ids = await ended(outbox, 1)
    for over in (timedelta(seconds=-1), 600, timedelta(days=10_000)):
        wrong: Any = over
        with pytest.raises(OptionInvalid, match="over is"):
            await outbox.redrive(*ids, over=wrong)
    assert await outbox.audit() == []
