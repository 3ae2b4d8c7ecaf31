"""Open the built pages in Chromium on a phone: nothing sticks out, fails, or comes from elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Page, Route, sync_playwright

__all__ = ["problems"]

WIDTH, HEIGHT = 360, 740
SITE = "http://localhost/"
"""No server: what pages ask for is answered from the folder."""


def problems(folder: Path) -> list[str]:
    """Return a line for each page that is wrong in a browser."""
    program = shutil.which("chromium")
    if program is None:
        return ["chromium isn't installed, in which the pages are opened: apt-get install chromium"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(base_url=SITE, viewport={"width": WIDTH, "height": HEIGHT})
        problems = sorted(set(_problems(page, folder)))
        browser.close()
    return problems


def _problems(page: Page, folder: Path) -> list[str]:
    problems: list[str] = []

    def answer(route: Route) -> None:
        url = route.request.url
        file = folder / unquote(urlsplit(url).path).lstrip("/")
        if url.startswith(SITE) and file.is_file():
            route.fulfill(path=file)
        else:
            problems.append(f"{page.url} asks for {url}, which isn't in the site")
            route.abort()

    page.route("**/*", answer)
    page.on("pageerror", lambda error: problems.append(f"{page.url}: {error}"))
    for name in [file.relative_to(folder).as_posix() for file in sorted(folder.rglob("*.html"))]:
        page.goto(name, wait_until="domcontentloaded")
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > WIDTH:
            problems.append(f"{name} is {width} pixels wide on a phone of {WIDTH}")
    return problems
