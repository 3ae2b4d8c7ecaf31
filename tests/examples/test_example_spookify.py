"""The page in a real browser: a user's own rows, run by `sp00ky run`, seen over LIVE queries."""

import asyncio
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_asyncio
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "spookify"
PATIENCE = 60.0
"""Seconds in which what must happen has happened, on a slow machine too."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NO_SERVER = re.compile(r"WebSocket connection to '\S+' failed")
OFFLINE = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED")

READY, BUSY = "Spookify Thread", "Spookifying..."
RECORD_BUTTON = """() => {
  const button = document.querySelector("#spookify")
  window.buttonStates = []
  const record = () => {
    const state = `${button.textContent} ${button.disabled}`
    if (window.buttonStates.at(-1) !== state) window.buttonStates.push(state)
  }
  const all = {attributes: true, childList: true, characterData: true, subtree: true}
  new MutationObserver(record).observe(button, all)
}"""
QUERY = """async ([text, bindings]) => {
  const {db} = await import("/page/database.js")
  const {jsonify} = await import("/surrealdb.js")
  return jsonify(await db.query(text, bindings))
}"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


def missing() -> list[str]:
    programs = [name for name in ("surreal", "npm") if shutil.which(name) is None]
    browser = [] if any(map(shutil.which, BROWSERS)) else ["chromium"]
    playwright = [] if importlib.util.find_spec("playwright") else ["playwright (the Python package)"]
    return [*programs, *browser, *playwright]


@attrs.frozen
class Site:
    """The example as it runs."""

    url: str
    output: Path

    def said(self) -> str:
        return self.output.read_text()


@attrs.frozen
class Person:
    """Somebody with a browser of their own."""

    page: Any
    expect: Any

    async def sign_up(self, name: str) -> None:
        await self.page.get_by_label("Name").fill(name)
        await self.page.get_by_label("Password").fill("boo boo boo")
        await self.page.get_by_role("button", name="Sign up").click()
        await self.expect(self.page.get_by_role("heading", name="Your threads")).to_be_visible()

    async def write_thread(self, title: str, content: str) -> str:
        """Write a thread, and come to its page; its id."""
        await self.page.get_by_label("Title").fill(title)
        await self.page.get_by_label("Content").fill(content)
        await self.page.get_by_role("button", name="New thread").click()
        await self.expect(self.page.get_by_role("heading", name=title)).to_be_visible()
        return f"thread:{self.page.url.partition('#')[2]}"

    async def spookify(self) -> None:
        await self.page.get_by_role("button", name=READY).click()

    async def query(self, text: str, **bindings: Any) -> Any:
        """What the first statement yields, on the page's own connection."""
        results = await self.page.evaluate(QUERY, [text, bindings])
        return results[0]


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def copy_to(folder: Path, database_port: int = 0) -> Path:
    """The example, quick, on ports of its own, without what a reader's runs have left in it."""
    left = shutil.ignore_patterns("node_modules", "data", "__pycache__")
    project = shutil.copytree(EXAMPLE, folder / "spookify", ignore=left)
    edit(project / "sp00ky.yml", "127.0.0.1:8000", f"127.0.0.1:{database_port or free_port()}")
    edit(project / "sp00ky.yml", "127.0.0.1:3660", f"127.0.0.1:{free_port()}")
    edit(project / "sp00ky.yml", "base: 0.5", "base: 0.1")
    edit(project / "backend.py", "THINKING = 1.5", "THINKING = 0.2")
    return project


@asynccontextmanager
async def serving(project: Path) -> AsyncIterator[Site]:
    """The example's one command, until it is told to stop: then it ends by itself, and well."""
    site = Site(f"http://127.0.0.1:{free_port()}", project.with_name("output"))
    with site.output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", str(project / "serve.py")),
            env=os.environ | {"PORT": site.url.rpartition(":")[2]},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        await started(site, process)
        yield site
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)  # the second one is too many
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 0, site.said()
        assert "INFO sp00ky: stopped: " in site.said()  # the runner has drained, with its database
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def started(site: Site, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(2 * PATIENCE):  # npm ci and the database's first start too
        while not all(text in site.said() for text in (f"open {site.url}", "delivers for api")):
            if process.returncode is not None and OFFLINE.search(site.said()):
                pytest.skip("the npm registry can't be reached, and the page needs the package surrealdb")
            assert process.returncode is None, site.said()
            await asyncio.sleep(0.05)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    if missing():
        pytest.skip(f"the page's test needs {' and '.join(missing())}")
    async with serving(copy_to(tmp_path_factory.mktemp("example"))) as site:
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(site: Site) -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright  # noqa: PLC0415  # it may not be installed

    program = next(filter(None, map(shutil.which, BROWSERS)))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser  # with a new, empty profile
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def arrive(site: Site, browser: Any) -> AsyncIterator[Callable[[str], Awaitable[Person]]]:
    """Somebody new comes to the page and signs up: ``await arrive("ann")``."""
    from playwright.async_api import expect  # noqa: PLC0415

    expect.set_options(timeout=PATIENCE * 1000)
    people: list[Person] = []
    problems: list[str] = []

    async def arrive(name: str, url: str = "") -> Person:
        context = await browser.new_context()
        person = Person(await context.new_page(), expect)
        people.append(person)
        person.page.on("pageerror", lambda error: problems.append(str(error)))
        person.page.on("console", lambda said: said.type == "error" and problems.append(said.text))
        await person.page.goto(url or site.url)
        await person.sign_up(f"{name} {len(people)} {os.urandom(4).hex()}")
        return person

    yield arrive
    for person in people:
        await person.page.context.close()
    assert [problem for problem in problems if not NO_SERVER.match(problem)] == []


async def test_the_button_follows_the_job_to_its_success_without_a_reload(arrive: Any) -> None:
    ann = await arrive("ann")
    thread = await ann.write_thread("Hello", "A good book")
    navigations: list[str] = []
    ann.page.on("framenavigated", lambda frame: navigations.append(frame.url))
    await ann.page.evaluate(RECORD_BUTTON)
    await ann.spookify()
    await ann.expect(ann.page.get_by_text("Spookified.")).to_be_visible()
    await ann.expect(ann.page.get_by_role("button", name=READY)).to_be_enabled()
    await ann.expect(ann.page.locator("#spooky")).to_have_text("👻 A gooooood booooook … boo!")
    await ann.expect(ann.page.get_by_role("alert").filter(visible=True)).to_have_count(0)
    states = await ann.page.evaluate("window.buttonStates")
    assert states == [f"{READY} true", f"{BUSY} true", f"{READY} false"]
    assert navigations == []
    (job,) = await ann.query("SELECT path, payload, assigned_to, status, retries, max_retries FROM job")
    assert job == {
        "path": "/spookify",
        "payload": f'{{"id":"{thread}"}}',
        "assigned_to": thread,
        "status": "success",
        "retries": 0,
        "max_retries": 2,
    }


async def test_a_failure_is_told_with_the_number_of_attempts(arrive: Any, site: Site) -> None:
    ann = await arrive("ann")
    await ann.write_thread("Kitchen", "Garlic, and onions")
    await ann.page.evaluate(RECORD_BUTTON)
    await ann.spookify()
    await ann.expect(ann.page.locator("#failure")).to_have_text("Job failed after 3 attempts")
    await ann.expect(ann.page.get_by_role("button", name=READY)).to_be_enabled()
    states = await ann.page.evaluate("window.buttonStates")
    assert states == [
        f"{READY} true",
        f"{BUSY} true",
        f"{READY} false",
    ]  # busy in the waits between attempts too
    (job,) = await ann.query("SELECT record::id(id) AS key, retries FROM job")
    assert job["retries"] == 2
    lines = [line for line in site.said().splitlines() if job["key"] in line]
    assert re.findall(r"attempt (\d+):", "\n".join(lines)) == ["1", "2", "3"]
    await ann.write_thread("Garden", "No bulbs")  # another thread shows nothing of it
    await ann.expect(ann.page.locator("#failure")).to_have_text("")
