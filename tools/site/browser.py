"""Open the built pages in Chromium on a phone: nothing sticks out, fails, or comes from elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Page, Route, sync_playwright

__all__ = ["problems"]

WIDTH, HEIGHT = 360, 740
SITE = "http://localhost/"
"""No server: what pages ask for is answered from the folder."""


def problems(folder: Path) -> list[str]:
    """Return a line for each page that is wrong in a browser; one for each core opens a share of them."""
    if shutil.which("chromium") is None:
        return ["chromium isn't installed, in which the pages are opened: apt-get install chromium"]
    names = [file.relative_to(folder).as_posix() for file in sorted(folder.rglob("*.html"))]
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        shares = pool.map(_opened, [folder] * cores, [names[core::cores] for core in range(cores)])
        return sorted({problem for share in shares for problem in share})


def _opened(folder: Path, names: Sequence[str]) -> list[str]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(base_url=SITE, viewport={"width": WIDTH, "height": HEIGHT})
        problems = _problems(page, folder, names)
        browser.close()
    return problems


def _problems(page: Page, folder: Path, names: Sequence[str]) -> list[str]:
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
    for name in names:
        page.goto(name, wait_until="domcontentloaded")
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > WIDTH:
            problems.append(f"{name} is {width} pixels wide on a phone of {WIDTH}")
    return problems
