"""What a list leaves out, tests see all the same."""

from __future__ import annotations

from pathlib import Path

from sp00ky_core.outbox import Outbox
from sp00ky_core.ports import LONGEST_LISTED
from sp00ky_core.sync import SyncOutbox
from sp00ky_core.testing import assert_enqueued, memory_outbox, perform_jobs

LONG = {"id": "1", "text": "x" * LONGEST_LISTED}


async def test_a_long_payload_is_compared_and_performed(outbox: Outbox) -> None:
    await outbox.run("api", "/spookify", LONG)
    assert (await outbox.find())[0].omitted == ("payload",)
    (job,) = await assert_enqueued(outbox, "api", "/spookify", LONG)
    assert job.payload == LONG
    async with outbox.store.transaction() as connection:  # type: ignore[attr-defined]  # the memory store's
        (performed,) = await perform_jobs(outbox, connection=connection)
    assert performed.payload == LONG


def test_a_blocking_outbox_compares_it_too(sp00ky_config: Path) -> None:
    with SyncOutbox(memory_outbox(sp00ky_config)) as outbox:
        outbox.run("api", "/spookify", LONG, autocommit=True)
        (job,) = assert_enqueued(outbox, "api", "/spookify", LONG)
        assert job.payload == LONG
