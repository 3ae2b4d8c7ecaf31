"""Draw ``docs/images/*.mmd`` with Mermaid, in Chromium: each becomes an SVG beside it."""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path

from playwright.async_api import Browser

from tools.vendor import fetched

__all__ = ["draw"]

MERMAID = "mermaid@11.17.2"

SETTINGS = {
    "startOnLoad": False,
    "theme": "neutral",
    "themeVariables": {"fontSize": "15px"},
    "htmlLabels": False,  # foreign objects are empty where an SVG is shown as a picture
    "flowchart": {"htmlLabels": False},
    "fontFamily": "Helvetica, Arial, sans-serif",
    "deterministicIds": True,
}

VIEW_BOX = re.compile(r'viewBox="\S+ \S+ (\S+) (\S+)"')

LONG = re.compile(r"-?\d+\.\d{2,}")

RENDER = """async ([name, text, settings]) => {
    mermaid.initialize(settings);
    return (await mermaid.render(name, text)).svg;
}"""


def _sized(svg: str) -> str:
    """Give a drawing its own size, which Mermaid leaves to the page, and a tenth of a pixel's precision."""
    svg = LONG.sub(lambda number: f"{float(number[0]):.1f}", svg)
    width, height = (round(float(side)) for side in VIEW_BOX.findall(svg)[0])  # markers have theirs, too
    return svg.replace('width="100%"', f'width="{width}" height="{height}"', 1)


async def draw(browser: Browser, folder: Path) -> None:
    """Draw each diagram of a folder."""
    page = await browser.new_page()
    with tempfile.TemporaryDirectory() as scratch:
        package = await asyncio.to_thread(fetched, MERMAID, Path(scratch))
        await page.add_script_tag(path=package / "dist" / "mermaid.min.js")
    for diagram in sorted(folder.glob("*.mmd")):  # noqa: ASYNC240  # nothing else runs
        svg = await page.evaluate(RENDER, [diagram.stem, diagram.read_text(), SETTINGS])
        diagram.with_suffix(".svg").write_text(_sized(svg) + "\n")
