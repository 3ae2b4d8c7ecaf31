"""Tests of applications assert calls, and perform them."""

import threading
from typing import Any

import pytest
from tests.tasks.conftest import Project

from sp00ky_core import Outbox
from sp00ky_core.sync import SyncOutbox
from sp00ky_core.testing import perform_jobs
from sp00ky_tasks.testing import assert_enqueued

SHOP = """
@tasks.task
async def send(order: int, to: str = "boo") -> int: return threading.get_ident()

@tasks.task
def later(n: int = 0) -> str: raise Snooze(60)
"""


async def test_a_test_s_jobs_are_asserted_and_performed_in_its_loop(project: Project) -> None:
    shop = project.write(SHOP)
    outbox = project.in_tests()
    await shop.send.enqueue(outbox, order=7, to="x")
    await shop.later.enqueue(outbox)
    await assert_enqueued(outbox, shop.send, order=7)
    await assert_enqueued(outbox, shop.send, 7, "x")
    with pytest.raises(AssertionError, match="payload /order is 7, expected 8"):
        await assert_enqueued(outbox, shop.send, order=8)
    sent, snoozed = await perform_jobs(outbox)
    assert (sent.result, snoozed.status, snoozed.errors[0].name) == (
        threading.get_ident(),
        "pending",
        "snoozed",
    )


@pytest.fixture
def outbox(project: Project) -> Outbox:
    """Return the project's, in place of the plugin's."""
    project.write(SHOP)
    return project.in_tests()  # type: ignore[no-any-return]


async def test_the_fixture_knows_the_test_s_outbox(
    outbox: Outbox, project: Project, assert_enqueued: Any
) -> None:
    shop: Any = project.module
    await shop.send.enqueue(outbox, order=7)
    (job,) = await assert_enqueued(shop.send, order=7)
    assert job.path == "/send"


def test_of_a_sync_outbox_nothing_is_awaited(
    sync_outbox: SyncOutbox, project: Project, assert_enqueued: Any
) -> None:
    shop: Any = project.module
    shop.send.configure(autocommit=True, priority=2).enqueue(sync_outbox, 7)
    (job,) = assert_enqueued(shop.send.configure(priority=2), order=7)
    assert job.path == "/send"
