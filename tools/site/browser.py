"""Open the built pages in Chromium on a phone: nothing sticks out, fails, or comes from elsewhere."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

__all__ = ["problems"]

WIDTH, HEIGHT = 360, 740


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
        return ["chromium isn't installed, in which the pages are opened: apt-get install chromium"]
    with served(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(base_url=address, viewport={"width": WIDTH, "height": HEIGHT})
        pages = [file.relative_to(folder).as_posix() for file in sorted(folder.rglob("*.html"))]
        problems = sorted(set(_problems(page, pages, address)))
        browser.close()
    return problems


def _problems(page: Page, pages: list[str], address: str) -> list[str]:
    problems: list[str] = []

    def note(url: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            problems.append(f"a page asks for {url}")

    def note_status(url: str, status: int) -> None:
        if status >= HTTPStatus.BAD_REQUEST:
            problems.append(f"{url}: HTTP {status}")

    page.on("request", lambda request: note(request.url))
    page.on("response", lambda answer: note_status(answer.url, answer.status))
    page.on("pageerror", lambda error: problems.append(f"{page.url}: {error}"))
    for name in pages:
        page.goto(name, wait_until="domcontentloaded")
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > WIDTH:
            problems.append(f"{name} is {width} pixels wide on a phone of {WIDTH}")
    return problems
