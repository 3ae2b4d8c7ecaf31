import json

import pytest
from tests.dashboard.conftest import Browser, Open
from tests.dashboard.settling import ended

from sp00ky_core import Outbox
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.outbox.operators.export_import import ExportFormat
from sp00ky_dashboard import Operator


async def test_what_matches_is_downloaded(
    browser: Browser, outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (done,) = await ended(outbox, 1, Delivered(), payload={"id": "=1"})
    await outbox.run("api", "/spookify", {"id": "2"})
    page = await browser.see("/export?status=success")
    assert 'name="status" value="success"' in page
    answer = await browser.get("/export?status=success&format=ndjson")
    (record,) = map(json.loads, answer.text.splitlines())
    assert (record["id"], record["payload"], record["export_version"]) == (done, {"id": "=1"}, 1)
    assert answer.headers["content-disposition"] == 'attachment; filename="jobs.ndjson"'
    answer = await browser.get("/export?format=csv&column=status&column=payload")
    assert answer.text == 'status,payload\r\npending,"{""id"": ""2""}"\r\nsuccess,"{""id"": ""=1""}"\r\n'
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    monkeypatch.setattr(ExportFormat, "line", None)
    assert (await browser.client.head("/export?format=ndjson")).status_code == 200
    await browser.see("/")  # by the same connection, so nothing is written there any more
    assert caplog.records == []


async def test_whom_payloads_are_hidden_from_exports_none(open_browser: Open, outbox: Outbox) -> None:
    job = await outbox.run("api", "/spookify", {"id": "2"})
    browser = await open_browser(auth=lambda _: Operator(name="eve", hide_payloads=True), read_only=True)
    answer = await browser.get("/export?format=ndjson")
    record = json.loads(answer.text)
    assert record["id"] == job.id
    assert record.keys().isdisjoint({"payload", "result", "errors"})
    assert "hidden" in await browser.see("/export?format=ndjson&column=payload", 403)


@pytest.mark.parametrize(
    ("query", "says"),
    [("format=xml", "ndjson"), ("format=csv&column=nope", "nope"), ("format=csv&backend=nope", "nope")],
)
async def test_a_wrong_question_gets_one_line(browser: Browser, query: str, says: str) -> None:
    assert says in await browser.see(f"/export?{query}", 400)
