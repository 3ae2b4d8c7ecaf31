from collections.abc import AsyncIterator

import httpx
import pytest
from tests.dashboard.conftest import Browser, Open
from tests.dashboard.scene import acts, opened
from tests.dashboard.settling import ended

from sp00ky_core import Outbox
from sp00ky_core.encoding.escaping import json_line
from sp00ky_core.job.outcome import Delivered
from sp00ky_dashboard.operate import uploads


@pytest.fixture
async def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two jobs of another database."""
    async with opened(tmp_path_factory.mktemp("other")) as outbox:
        await ended(outbox, 1, Delivered())
        await outbox.run("api", "/spookify", {"id": "2"})
        return b"".join([json_line(record) + b"\n" async for record in outbox.export()])


async def sent(browser: Browser, content: bytes, name: str = "jobs.ndjson") -> httpx.Response:
    """Choose a file."""
    fields, origin = {"form_token": await browser.token()}, {"Sec-Fetch-Site": "same-origin"}
    file = {"file": (name, content)}
    return await browser.client.post("/import", data=fields, files=file, headers=origin)


async def test_a_file_is_looked_at_and_imported(browser: Browser, outbox: Outbox, content: bytes) -> None:
    looked = (await sent(browser, content, f"../{'名' * 200} we ird.ndjson")).headers["location"]
    page = await browser.see(looked)
    assert "Import 2 of 2 jobs?" in page
    assert "名.we.ird.ndjson" in page
    assert "Refused" not in page
    assert "reason is" in (await browser.post(looked, {"reason": "\0"})).text
    assert await outbox.find() == []
    done = await browser.post(looked, {"reason": "a move"})
    assert "2 jobs imported." in await browser.see(done.headers["location"])
    assert sorted(job.status for job in await outbox.find()) == ["pending", "success"]
    (entry,) = await acts(outbox)
    assert (entry.action, entry.actor, entry.reason) == ("import", "ada", "a move")
    assert "kept no more" in await browser.see(looked, 404)
    looked = (await sent(browser, content)).headers["location"]
    assert "Here already, with the same content: 2." in await browser.see(looked)


async def test_only_the_latest_files_are_kept(
    browser: Browser, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_KEPT", 3)
    files = [(await sent(browser, content)).headers["location"] for _ in range(5)]
    assert [(await browser.get(file)).status_code for file in files] == [404, 404, 200, 200, 200]


@pytest.mark.parametrize(("wrong", "says"), [(b"{}\n", "export_version"), (b"\xff", "no JSON object")])
async def test_what_is_no_export_is_refused(
    browser: Browser, outbox: Outbox, wrong: bytes, says: str
) -> None:
    assert says in await browser.see((await sent(browser, wrong)).headers["location"], 400)
    assert await outbox.find() == []


async def test_what_nobody_asked_for_is_refused(
    browser: Browser, open_browser: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await sent(await open_browser(read_only=True), b"{}")).status_code == 403
    without_file = await browser.post("/import", {})
    assert without_file.status_code == 400
    origin = {"Sec-Fetch-Site": "same-origin"}
    without_token = await browser.client.post("/import", files={"file": b"{}"}, headers=origin)
    assert without_token.status_code == 403
    kind = {"Content-Type": "multipart/form-data; boundary=b; charset=undefined"}
    field = b'--b\r\nContent-Disposition: form-data; name="form_token"\r\n\r\nx\r\n--b--'
    no_text = await browser.client.post("/import", content=field, headers=origin | kind)
    assert (no_text.status_code, "no form" in no_text.text) == (400, True)
    monkeypatch.setattr(uploads, "LONGEST_FILE", 10)

    async def in_parts() -> AsyncIterator[bytes]:  # so it doesn't say how long it is
        yield field

    for body in (field, in_parts()):
        too_long = await browser.client.post("/import", content=body, headers=origin | kind)
        assert (too_long.status_code, "sp00ky jobs import" in too_long.text) == (413, True)
