"""Make the documents' pictures: ``python -m tools.pictures [dashboard] [terminal] [diagrams]``, or all.

It needs Chromium, npm, and the packages ``playwright``, ``uvicorn`` and ``pyte``.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Sequence

from playwright.async_api import async_playwright

from tools.pictures import dashboard, diagrams, terminal
from tools.sources import ROOT

MAKERS = {"dashboard": dashboard.take, "terminal": terminal.take, "diagrams": diagrams.draw}


async def main(names: Sequence[str]) -> None:
    """Make the pictures of these kinds."""
    async with async_playwright() as playwright:
        program = shutil.which("chromium")
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name in names or MAKERS:
            await MAKERS[name](browser, ROOT / "docs" / "images")
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
