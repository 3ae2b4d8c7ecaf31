import pytest
from tests.core.two_backends import FAILURE
from tests.dashboard.conftest import Browser
from tests.dashboard.scene import acts
from tests.dashboard.settling import ended

from sp00ky_core import NewJob, Outbox


async def test_ticked_jobs_are_counted_confirmed_and_done(browser: Browser, outbox: Outbox) -> None:
    ids = await ended(outbox, 3, FAILURE)
    asked = await browser.post("/act", {"action": "redrive", "id": ids[:2], "back": "/jobs"})
    assert "Retry 2 jobs?" in asked.text
    assert {each.status for each in await outbox.find()} == {"failed"}
    assert "2 jobs retried." in await browser.act("redrive", id=ids[:2])
    assert len(await outbox.find(status="pending")) == 2
    (entry,) = await acts(outbox)
    assert (entry.action, entry.actor, entry.reason, entry.count) == ("redrive", "ada", "why not", 2)


async def test_all_that_match_are_counted_confirmed_and_done(browser: Browser, outbox: Outbox) -> None:
    await outbox.run_many("api", [NewJob(path="/spookify") for _ in range(120)])
    await outbox.run("billing", "/charge")
    asked = await browser.post("/act", {"action": "kill", "all": "1", "backend": "api", "since": "1h"})
    assert "Kill 120 jobs?" in asked.text
    assert 'name="since" value="1h"' not in asked.text, "an age would mean others later"
    assert "120 jobs killed." in await browser.act("kill", all="1", backend="api", since="1h")
    assert [each.backend for each in await outbox.find(status="pending")] == ["billing"]
    (job,) = await outbox.find(status="failed", limit=1)
    assert job.errors[-1].reason == "why not"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"action": "kill"}, "nothing was done"),
        ({"action": "nonsense"}, "no such action"),
        ({"action": "clear", "all": "1", "status": "pending"}, "does nothing to others"),
        ({"action": "kill", "all": "1", "backend": "nope"}, "nope"),
        ({"action": "pause", "target": "nope", "confirmed": "1"}, "nope"),
        ({"action": "pause", "target": "api", "confirmed": "1", "duration": "soon"}, "a duration such as"),
        ({"action": "redrive", "all": "1", "confirmed": "1", "over": "0m"}, "a duration such as"),
    ],
)
async def test_bad_input_does_nothing(
    browser: Browser, outbox: Outbox, fields: dict[str, str], says: str
) -> None:
    await outbox.run("api", "/spookify")
    answer = await browser.post("/act", fields)
    assert answer.status_code == 400
    assert says in answer.text
    assert await acts(outbox) == []


async def test_a_backend_is_paused_and_resumed(browser: Browser, outbox: Outbox) -> None:
    asked = await browser.post("/act", {"action": "pause", "target": "api"})
    assert "Pause api?" in asked.text
    done = await browser.post(
        "/act", {"action": "pause", "target": "api", "confirmed": "1", "duration": "10m"}
    )
    assert "api is paused for 10m." in await browser.see(done.headers["location"])
    paused = (await outbox.stats())["api"].paused
    assert paused is not None
    assert paused.actor == "ada"
    assert "api is resumed." in await browser.act("resume", target="api")
    assert "wasn&#39;t paused" in await browser.act("resume", target="api")
