"""What the store is called with: changes that are checked, and delays that spread."""

from datetime import timedelta
from typing import Any

import pytest
from tests.core.two_backends import ended

from sp00ky_core import JobFilter, Outbox
from sp00ky_core.errors import OptionInvalid
from sp00ky_core.outbox.operators import bulk


async def waits(outbox: Outbox) -> list[float]:
    """Seconds from each retry to when the job is due, the next one first."""
    jobs = await outbox.find(limit=1_000)
    found = [(job.run_at, job.updated_at) for job in jobs]
    return sorted((due - at).total_seconds() for due, at in found if due and at)


async def test_named_jobs_become_due_evenly(outbox: Outbox) -> None:
    ids = await ended(outbox, 5)
    await outbox.retry(*ids, over=timedelta(minutes=10))
    assert [round(wait) for wait in await waits(outbox)] == [0, 120, 240, 360, 480]


async def test_an_option_that_cannot_be_is_refused(outbox: Outbox) -> None:
    ids, act, matching = await ended(outbox, 1), dict[str, Any], JobFilter()
    for over in (timedelta(seconds=-1), 600, timedelta(days=10_000)):
        with pytest.raises(OptionInvalid, match="over is"):
            await outbox.retry(*ids, **act(over=over))
    with pytest.raises(OptionInvalid, match="resend_unknown is True; expected left out: `kill` has no such"):
        await outbox.kill(*ids, **act(resend_unknown=True))
    for action, option in ((bulk.RESCHEDULE, "resend_unknown"), (bulk.CLEAR, "at"), (bulk.COPY, "reason")):
        with pytest.raises(OptionInvalid):
            outbox.steps(action, matching, **act({option: None}))
    assert await outbox.audit() == []
