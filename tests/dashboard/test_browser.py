"""Every page in Chromium: how it is used, what it looks like, and whether everybody can use it."""

import asyncio
import importlib.util
import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.dashboard.conftest import Serve, ada
from tests.dashboard.scene import opened_shop

from sp00ky_core import Outbox
from sp00ky_dashboard import Dashboard
from sp00ky_dashboard.observe import cache

AXE = "axe-core@4.14.1"
PATIENCE = 60_000
"""Milliseconds."""

WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 780}
PAGES = [
    "/",
    "/?range=day",
    "/jobs",
    "/jobs?status=failed&code=500",
    "/jobs?backend=nope",
    "/audit",
    "/export?status=failed",
    "/nowhere",
]
PAGES += [f"/{page}" for page in ("groups", "groups?by=assigned", "errors", "runners", "schedules")]

MISSING = [name for name in ("chromium", "npm") if shutil.which(name) is None]
MISSING += [] if importlib.util.find_spec("playwright") else ["playwright (the Python package)"]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"a browser needs {' and '.join(MISSING)}")


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script that looks for what keeps people out."""
    folder = tmp_path_factory.mktemp("axe")
    packed = ["npm", "pack", AXE, "--silent", "--pack-destination", str(folder)]
    if subprocess.run(packed, capture_output=True, check=False).returncode:
        pytest.skip(f"the npm registry can't be reached, and the test needs the package {AXE}")
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as packages:
        script = packages.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    async with opened_shop(tmp_path) as outbox:
        yield outbox


@pytest.fixture
async def chromium() -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright  # noqa: PLC0415  # it may not be installed

    async with async_playwright() as playwright:
        program = shutil.which("chromium")
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
async def address(serve: Serve, outbox: Outbox) -> AsyncIterator[str]:
    dashboard = Dashboard(outbox, auth=ada, read_only=False)
    yield await serve(dashboard)
    await dashboard.aclose()


async def opened_page(chromium: Any, address: str, **options: Any) -> Any:
    """A page of a browser; what its console says against the dashboard fails the test."""
    context = await chromium.new_context(base_url=address, bypass_csp=False, **options)
    context.set_default_timeout(PATIENCE)
    page = await context.new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda message: page.problems.append(message.text) if is_problem(message) else None)
    return page


@pytest.fixture
async def page(chromium: Any, address: str) -> AsyncIterator[Any]:
    """A page against which its console says nothing."""
    page = await opened_page(chromium, address)
    yield page
    assert page.problems == []


def is_problem(message: Any) -> bool:
    return (
        message.type in {"error", "warning"} and "the server responded with a status of" not in message.text
    )


async def violations(page: Any, axe: str) -> list[str]:
    """What axe-core finds."""
    await page.evaluate(axe)
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{violation['id']}: {violation['nodes'][0]['html']}" for violation in found["violations"]]


BROKEN = """() => {
  const broken = [];
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    for (const word of text.data.matchAll(/[a-z]{2,14}/gi)) {
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map((each) => each.top)).size > 1) broken.push(word[0]);
    }
  }
  return broken;
}"""
"""Words that go on in the next line."""


@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", PHONE)], ids=["light", "dark"])
async def test_nothing_keeps_people_out_and_nothing_is_cut_off(
    chromium: Any, address: str, outbox: Outbox, axe: str, scheme: str, size: dict[str, int]
) -> None:
    page = await opened_page(chromium, address, color_scheme=scheme, viewport=size)
    ordered = (await outbox.find(ordering_key="order-7001", limit=3))[-1]
    failed = (await outbox.find(status="failed", limit=1))[0]
    for path in (*PAGES, f"/jobs/{ordered.id}", f"/jobs/{failed.id}", f"/jobs/{failed.id}?edit"):
        await page.goto(path)
        assert await violations(page, axe) == [], path
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(overflow) <= 0, f"{path} is wider than the screen"
    for path, button in (
        ("/jobs", "Retry"),
        ("/jobs", "Copy"),
        ("/jobs", "Redact"),
        ("/jobs", "Reschedule"),
        ("/", "Set api"),
    ):
        await page.goto(path)
        if path == "/jobs":
            await page.locator("#pick-page").check()
        await page.get_by_role("button", name=button, exact=True).click()
        await page.locator("dialog[open]").wait_for()
        assert await violations(page, axe) == [], button
    await page.get_by_label("Rate").fill("0/s")
    await page.keyboard.press("Enter")
    await page.get_by_role("alert").wait_for()
    assert await violations(page, axe) == []
    assert page.problems == []


async def test_on_a_phone_jobs_come_first(chromium: Any, address: str) -> None:
    page = await opened_page(chromium, address, viewport=PHONE)
    await page.goto("/jobs?status=failed")
    first = page.locator("tbody tr").first
    box = await first.bounding_box()
    assert box["y"] + box["height"] <= 300
    for tabs in (page.locator(".tabs"), page.locator(".top nav")):
        cut_off, edges = await tabs.evaluate(
            "(tabs) => [tabs.scrollWidth > tabs.clientWidth, getComputedStyle(tabs).backgroundImage]"
        )
        assert (cut_off, edges.count("gradient")) == (True, 4), "a shadow says that there are more"
    await page.get_by_text("Filters").click()
    await page.get_by_label("Assigned to").fill("order:8")
    await page.get_by_role("button", name="Filter").click()
    await page.get_by_role("heading", name="Jobs of order:8").wait_for()
    erase = page.get_by_role("button", name="Erase")
    assert not await erase.is_visible()
    await page.goto("/jobs?status=failed")
    await first.get_by_role("checkbox").check()
    red = "getComputedStyle(document.querySelector('.badge-failed')).color"
    for name in ("Erase", "Redact"):
        button = page.get_by_role("button", name=name)
        assert await button.evaluate("(button) => getComputedStyle(button).color") == await page.evaluate(red)
    assert page.problems == []


async def test_ticked_jobs_are_retried(page: Any, outbox: Outbox) -> None:
    await page.goto("/jobs?status=failed&backend=api")
    retry = page.get_by_role("button", name="Retry")
    assert await retry.is_disabled()
    boxes = page.locator("input[name=id]")
    await boxes.nth(0).check()
    await boxes.nth(1).check()
    await page.get_by_text("2 selected").wait_for()
    await retry.click()
    dialog = page.locator("dialog[open]")
    await dialog.get_by_role("heading", name="Retry 2 jobs?").wait_for()
    await dialog.get_by_role("link", name="Cancel").click()
    await dialog.wait_for(state="hidden")
    await retry.click()
    await dialog.get_by_label("Reason").fill("the backend is back again")
    await dialog.get_by_role("button", name="Retry").click()
    await page.get_by_text("2 jobs retried.").wait_for()
    (entry, *_) = await outbox.audit()
    assert (entry.actor, entry.reason, entry.count) == ("ada", "the backend is back again", 2)


async def test_pages_stay_up_to_date_and_keep_what_is_ticked(page: Any, outbox: Outbox) -> None:
    await page.goto("/jobs?assigned_to=live")
    await page.get_by_text("No job matches").wait_for()
    await page.locator("[data-state=live]").wait_for()
    first = await outbox.run("api", "/spookify", assigned_to="live")
    await page.locator(f"[id='row-{first.id}']").wait_for()
    await page.locator(f"[id='pick-{first.id}']").check()
    second = await outbox.run("api", "/spookify", assigned_to="live")
    await page.locator(f"[id='row-{second.id}']").wait_for()
    assert await page.locator(f"[id='pick-{first.id}']").is_checked()
    await page.goto(f"/jobs/{first.id}")
    await page.locator("[data-state=live]").wait_for()
    await outbox.kill(first.id)
    await page.get_by_text("Killed", exact=True).wait_for()


def held_up(monkeypatch: pytest.MonkeyPatch, asked: str) -> asyncio.Event:
    """A database that answers one question only once this is set."""
    ask, going_on = getattr(Outbox, asked), asyncio.Event()

    async def slow(*arguments: Any, **options: Any) -> Any:
        await going_on.wait()
        return await ask(*arguments, **options)

    monkeypatch.setattr(Outbox, asked, slow)
    return going_on


@pytest.mark.parametrize(
    ("path", "asked"),
    [("/errors?code=500", "errors"), ("/jobs?assigned_to=order:8", "groups"), ("/runners", "runners")],
)
async def test_a_page_that_takes_long_comes_in_two_steps(
    page: Any, axe: str, monkeypatch: pytest.MonkeyPatch, path: str, asked: str
) -> None:
    going_on = held_up(monkeypatch, asked)
    monkeypatch.setattr(cache, "PATIENCE", 0.0)
    await page.goto(path)
    reading = page.get_by_text("Reading…")
    await reading.wait_for()
    assert await violations(page, axe) == []
    typed = page.get_by_role("search").get_by_label("Path") if path != "/runners" else None
    if typed:
        await typed.fill("/spook")
    going_on.set()
    await reading.wait_for(state="detached")
    await page.locator("#live tbody tr").first.wait_for()
    assert not typed or await typed.input_value() == "/spook", "what is typed meanwhile stays"
    assert "…" not in await page.locator("#live .tabs, #live thead").first.inner_text(), "all is counted"
    await page.locator("[data-state=live]").wait_for()


async def test_a_dialog_that_takes_long_says_that_it_counts(
    page: Any, axe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on = held_up(monkeypatch, "count_matching")
    await page.goto("/jobs?status=failed")
    await page.locator("#pick-all").check()
    await page.get_by_role("button", name="Retry").click()
    counting = page.get_by_text("Counting the jobs…")
    await counting.wait_for()
    assert await violations(page, axe) == []
    going_on.set()
    await page.locator("dialog[open]").wait_for()
    assert await counting.is_hidden()


async def test_it_is_used_with_the_keyboard(page: Any) -> None:
    await page.goto("/")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id || location.hash") in {"main", "#main"}
    await page.get_by_role("button", name="Pause api").focus()
    await page.keyboard.press("Enter")
    dialog = page.locator("dialog[open]")
    await dialog.wait_for()
    await page.keyboard.press("Escape")
    await dialog.wait_for(state="hidden")
    await page.get_by_role("button", name="Pause api").focus()
    await page.keyboard.press("Enter")
    await dialog.wait_for()
    await dialog.get_by_label("Reason").fill("by hand")
    await page.keyboard.press("Enter")
    await page.get_by_text("api is paused until it is resumed.").wait_for()


async def test_jobs_are_exported_and_cleared_without_scripts_too(
    chromium: Any, address: str, outbox: Outbox, tmp_path: Path
) -> None:
    for java_script_enabled, backend in ((True, "billing"), (False, "api")):
        failed = await outbox.find(status="failed", backend=backend, limit=1_000)
        page = await opened_page(chromium, address, java_script_enabled=java_script_enabled)
        await page.goto(f"/jobs?status=failed&backend={backend}")
        await page.get_by_role("link", name="Export").click()
        async with page.expect_download() as download:
            await page.get_by_role("button", name="Download").click()
        await (await download.value).save_as(tmp_path / "jobs.ndjson")
        assert (tmp_path / "jobs.ndjson").read_text().count("\n") == len(failed)
        await page.go_back()
        await page.locator("#pick-all").check()
        await page.get_by_role("button", name="Clear").click()
        await page.get_by_role("heading", name=f"Clear {len(failed)} jobs?").wait_for()
        await page.get_by_role("button", name="Clear").last.click()
        await page.get_by_text(f"{len(failed)} jobs cleared.").wait_for()
        assert await outbox.find(status="failed", backend=backend) == []
        assert page.problems == []


async def test_scripts_in_rows_are_never_run(chromium: Any, address: str, outbox: Outbox) -> None:
    hostile = "</script><script>window.haunted = 1</script><img src=x onerror='window.haunted = 1'>"
    job = await outbox.run(
        "api", "/spookify", {"id": hostile}, assigned_to=hostile, ordering_key=hostile[:200]
    )
    page = await opened_page(chromium, address)
    for path in (f"/jobs/{job.id}", "/jobs", f"/jobs/{job.id}?edit", f"/jobs/{job.id}?part=payload"):
        await page.goto(path)
        assert await page.evaluate("window.haunted") is None, path
