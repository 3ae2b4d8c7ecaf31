"""Every page and a bulk operation, on databases."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.core.two_backends import FAILURE
from tests.dashboard.cli.test_server import Start, complaint, start
from tests.dashboard.conftest import Browser
from tests.dashboard.scene import acts, opened
from tests.dashboard.settling import ended
from tests.store_postgres.conftest import schema, sql, url

from sp00ky_core import Outbox
from sp00ky_schedules import Schedules

__all__ = ["schema", "sql", "start", "url"]  # fixtures


@pytest.fixture(params=["sqlite", "url", "surreal_url"])
def store(request: pytest.FixtureRequest) -> str:
    """The URL of a database."""
    return "sqlite:///app.db" if request.param == "sqlite" else str(request.getfixturevalue(request.param))


@pytest.fixture
async def outbox(store: str, tmp_path: Path) -> AsyncIterator[Outbox]:
    async with opened(tmp_path, store) as outbox:
        yield outbox


def test_a_database_that_can_t_be_reached_is_one_line(start: Start) -> None:
    assert "127.0.0.1:1" in complaint(start("--store", "postgresql://127.0.0.1:1/none"), 1)


async def test_every_page_shows_what_is_there(browser: Browser, outbox: Outbox) -> None:
    failed = await ended(outbox, 3, FAILURE, payload={"id": "1"})
    waiting = await outbox.run("billing", "/charge")
    await outbox.extension(Schedules).trigger("heartbeat")
    for path, says in (
        ("/", 'id="card-billing"'),
        ("/jobs", waiting.id),
        ("/jobs?status=failed&code=500", failed[0]),
        (f"/jobs?after={quote(waiting.id)}", failed[2]),
        (f"/jobs/{failed[1]}", "Attempt 1: http_status 500"),
        ("/errors", "http_status 500"),
        ("/groups", "/charge"),
        ("/runners", "No runner"),
        ("/schedules", "heartbeat"),
        ("/audit", "schedules trigger"),
    ):
        assert says in await browser.see(path), path


async def test_operators_act_on_jobs_and_are_written_down(browser: Browser, outbox: Outbox) -> None:
    ids = await ended(outbox, 3, FAILURE)
    assert "3 jobs retried." in await browser.act("retry", all="1", status="failed", backend="api")
    assert "3 jobs rescheduled." in await browser.act("reschedule", all="1", backend="api", priority="2")
    assert "1 job killed." in await browser.act("kill", id=ids[0])
    assert "1 job copied." in await browser.act("copy", all="1", status="failed", to="billing")
    assert "1 job cleared." in await browser.act("clear", id=ids[0])
    answer = await browser.post("/copy", {"id": ids[1], "payload": '{"id": "2"}'})
    assert answer.status_code == 303
    assert "1 job redacted." in await browser.act("redact", id=ids[1], kill="1")
    assert "1 job erased." in await browser.act("erase", all="1", backend="api", status="failed")
    done = [(act.action, act.count) for act in reversed(await acts(outbox))]
    once = ("kill", "copy", "clear", "copy", "redact", "erase")
    assert done == [("retry", 3), ("reschedule", 3), *((action, 1) for action in once)]
    assert {(act.actor, act.via) for act in await acts(outbox)} == {("ada", "dashboard")}
