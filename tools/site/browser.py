"""Look at the built pages in Chromium: a phone's width, both palettes, the search, no request elsewhere."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError

__all__ = ["problems"]

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 800}
SEARCHED, FOUND = "outcome_unknown", "operating.html"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on a free port of this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def problems(folder: Path) -> list[str]:
    """Return a line for each page that is wrong in a browser."""
    program = shutil.which("chromium")
    if program is None:
        return ["chromium isn't installed, by which the pages are looked at: apt-get install chromium"]
    with served(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        pages = [file.relative_to(folder).as_posix() for file in sorted(folder.rglob("*.html"))]
        found = [*_phone(browser, address, pages), *_palettes(browser, address), *_search(browser, address)]
        browser.close()
    return found


@contextmanager
def _context(
    browser: Browser, address: str, elsewhere: list[str], *, scheme: str = "light", size: Any = PHONE
) -> Iterator[BrowserContext]:
    how: dict[str, Any] = {"viewport": size, "color_scheme": scheme}
    context = browser.new_context(base_url=address, **how)

    def note(url: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            elsewhere.append(f"a page asks for {url}")

    context.on("request", lambda request: note(request.url))
    yield context
    context.close()


def _phone(browser: Browser, address: str, pages: list[str]) -> list[str]:
    """Open every page on a phone: nothing may be wider than it."""
    found: list[str] = []
    with _context(browser, address, found) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: found.append(f"{page.url}: {error}"))
        for each in pages:
            page.goto(each, wait_until="domcontentloaded")
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > PHONE["width"]:
                found.append(f"{each} is {width} pixels wide on a phone of {PHONE['width']}")
    return sorted(set(found))


def _palettes(browser: Browser, address: str) -> list[str]:
    """Open the first page as the reader's system is: light on dark, and dark on light."""
    found: list[str] = []
    brightness = {}
    for scheme in ("light", "dark"):
        with _context(browser, address, found, scheme=scheme) as context:
            page = context.new_page()
            page.goto("index.html")
            brightness[scheme] = _brightness(page)
    if not brightness["dark"] < 100 < brightness["light"]:  # noqa: PLR2004  # of 255
        found.append(f"the palettes aren't a light and a dark one: {brightness}")
    return found


def _brightness(page: Page) -> float:
    """Return the page's background, from 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3)")
    return sum(map(int, colour)) / 3


def _search(browser: Browser, address: str) -> list[str]:
    """Search a word; its page must be among what is found."""
    found: list[str] = []
    with _context(browser, address, found, size=DESKTOP) as context:
        page = context.new_page()
        page.goto("index.html")
        try:
            page.get_by_role("button", name="Search").first.click()
            page.locator("input:visible").first.fill(SEARCHED)
            page.locator(f'a[href*="{FOUND}"]:visible').first.wait_for()
        except PlaywrightError as error:
            found.append(f"searching {SEARCHED} doesn't find {FOUND}: {error}")
    return found
