"""Killing, retrying and clearing by conditions: what is done, what is refused, and in which batches."""

from collections.abc import Sequence

import pytest
from tests.core.two_backends import ended, enqueued, statuses

from sp00ky_core import JobFilter, JobQuery, JobStatus, Outbox
from sp00ky_core.errors import OptionInvalid, UnknownBackend
from sp00ky_core.outbox.operators import bulk
from sp00ky_core.ports import Settlement, SettleResult
from sp00ky_core.stores.transitions import clear


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of two."""
    monkeypatch.setattr(bulk, "PAGE", 2)
    monkeypatch.setattr(bulk, "CLEAR_BATCH", 2)


@pytest.mark.usefixtures("small")
async def test_a_page_whose_last_job_is_deleted_meanwhile_ends_nothing(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await enqueued(outbox, 5)
    settle = outbox.store.settle

    async def settle_and_prune(settlements: Sequence[Settlement]) -> list[SettleResult]:
        results = await settle(settlements)
        await clear(outbox.store, [settlement.job_id for settlement in settlements])
        return results

    monkeypatch.setattr(outbox.store, "settle", settle_and_prune)
    assert (await outbox.kill(filter=JobFilter())).done == 5
    assert await outbox.find() == []
    assert len(ids) == 5


async def test_what_a_filter_cannot_mean_is_refused(outbox: Outbox) -> None:
    ids = await ended(outbox, 1)
    with pytest.raises(OptionInvalid, match="status is 'failed'; expected pending or processing"):
        await outbox.kill(filter=JobFilter(status=JobStatus.FAILED))
    with pytest.raises(OptionInvalid, match="expected failed"):
        await outbox.retry(filter=JobFilter(status=JobStatus.SUCCESS))
    with pytest.raises(OptionInvalid, match="expected success or failed"):
        await outbox.clear(filter=JobFilter(status=JobStatus.PENDING))
    with pytest.raises(OptionInvalid, match="a JobFilter"):
        await outbox.clear(filter=JobQuery(ids=("job:1",)))
    for work in (outbox.steps, outbox.count_matching):
        with pytest.raises(OptionInvalid, match="a JobFilter"):
            await work(bulk.KILL, None)  # type: ignore[arg-type, misc]
    with pytest.raises(OptionInvalid, match="not both"):
        await outbox.clear(*ids, filter=JobFilter())
    with pytest.raises(UnknownBackend, match="did you mean 'api'"):
        await outbox.clear(filter=JobFilter(backend="apj"))
    with pytest.raises(OptionInvalid, match="limit is -1"):
        await outbox.clear(filter=JobFilter(), limit=-1)
    assert await statuses(outbox, ids) == {"failed"}
