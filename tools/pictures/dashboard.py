"""Take pictures of the dashboard's pages, with a shop's jobs."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from pathlib import Path

import uvicorn
from playwright.async_api import Browser, Page
from tests.dashboard.scene import opened_shop

from sp00ky_dashboard import Dashboard

__all__ = ["take"]

SIZE = {"width": 1180, "height": 760}
PHONE = {"width": 390, "height": 760}


async def overview(page: Page) -> None:
    """Show the overview."""
    await page.goto("/")


async def jobs(page: Page) -> None:
    """Show failed jobs, one ticked, and the question."""
    await page.goto("/jobs?status=failed")
    await page.locator("#pick-page").check()
    await page.get_by_role("button", name="Retry").click()
    await page.locator("dialog[open]").wait_for()


async def job(page: Page) -> None:
    """Show a job that was tried several times."""
    await page.goto("/jobs?status=failed&backend=api")
    await page.locator("tr", has_text="3 of 4").locator("td.id a").first.click()
    await page.get_by_role("heading", name="What happened").wait_for()


PICTURES = {
    "overview": (overview, "light", SIZE),
    "jobs": (jobs, "light", SIZE),
    "job": (job, "light", SIZE),
    "phone": (overview, "dark", PHONE),
}


async def _photograph(browser: Browser, address: str, folder: Path) -> None:
    for name, (show, scheme, size) in PICTURES.items():
        context = await browser.new_context(base_url=address, color_scheme=scheme, viewport=size)  # type: ignore[arg-type]  # literals
        page = await context.new_page()
        await show(page)
        await page.locator("[data-state=live]").wait_for()
        await page.screenshot(path=folder / f"dashboard-{name}.png")
        await context.close()


async def take(browser: Browser, folder: Path) -> None:
    """Serve the shop, and take its pictures."""
    with tempfile.TemporaryDirectory() as files, socket.create_server(("127.0.0.1", 0)) as listener:
        async with opened_shop(Path(files)) as outbox:
            dashboard = Dashboard(outbox, auth=lambda _: "ada", read_only=False)
            config = uvicorn.Config(dashboard, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            await _photograph(browser, f"http://127.0.0.1:{listener.getsockname()[1]}", folder)
            dashboard.close()
            server.should_exit = True
            await serving
