import pytest
from tests.dashboard.conftest import Browser
from tests.dashboard.scene import acts
from tests.dashboard.settling import ended

from sp00ky_core import Outbox
from sp00ky_core.encoding.json_bytes import JsonText
from sp00ky_core.job.outcome import Delivered


async def test_a_copy_with_an_edited_payload(browser: Browser, outbox: Outbox) -> None:
    (old,) = await ended(outbox, 1, Delivered(), payload={"id": "1"}, assigned_to="thread:a")
    page = await browser.see(f"/jobs/{old}?edit")
    assert "&#34;id&#34;: &#34;1&#34;" in page
    answer = await browser.post("/copy", {"id": old, "payload": '{"id": "2"}', "reason": "again"})
    assert answer.status_code == 303
    page = await browser.see(answer.headers["location"])
    assert "this is the new job" in page
    (new,) = await outbox.find(status="pending")
    assert (new.payload, new.assigned_to) == ({"id": "2"}, "thread:a")
    (entry,) = await acts(outbox)
    assert (entry.action, entry.actor, entry.reason) == ("copy", "ada", "again")


async def test_an_unchanged_payload_stays_byte_for_byte(browser: Browser, outbox: Outbox) -> None:
    payload = JsonText(b'{"id":  "\\u00e9", "amount": 1}')
    job = await outbox.run("api", "/spookify", payload)  # type: ignore[arg-type]
    shown = '{\r\n  "id": "é",\r\n  "amount": 1\r\n}'  # as a browser sends a textarea
    await browser.post("/copy", {"id": job.id, "payload": shown})
    assert {stored.payload_json for stored in await outbox.find()} == {job.payload_json}


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ('{"id": 3, "amount": "many"}', "/amount"),
        ("no json", "JSON object"),
        ("[]", "JSON object"),
        ('{"id": "1", "id": "2"}', "twice"),
        ('"><script>alert(1)</script>', "JSON object"),
    ],
)
async def test_what_breaks_the_contract_comes_back_to_be_edited(
    browser: Browser, outbox: Outbox, payload: str, says: str
) -> None:
    job = await outbox.run("api", "/spookify", {"id": "1"})
    answer = await browser.post("/copy", {"id": job.id, "payload": payload})
    assert answer.status_code == 400
    assert "Nothing was enqueued" in answer.text
    assert says in answer.text
    assert "<script>alert" not in answer.text
    assert len(await outbox.find()) == 1
