"""Make the documents' pictures: ``python -m tools.pictures [dashboard] [terminal] [diagrams]``, or all.

It needs Chromium, npm, and the packages ``playwright``, ``uvicorn`` and ``pyte``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from tools.pictures import dashboard, diagrams, terminal
from tools.pictures.manifest import IMAGES, record

MAKERS = {
    "dashboard": (dashboard.take, ["dashboard-*.png"]),
    "terminal": (terminal.take, ["terminal-*.svg", "demo.svg"]),
    "diagrams": (diagrams.draw, [each.with_suffix(".svg").name for each in IMAGES.glob("*.mmd")]),
}
"""What makes pictures, and which."""


async def main(names: Sequence[str]) -> None:
    """Make pictures, and write down of what."""
    for name in names or MAKERS:
        make, patterns = MAKERS[name]
        await make(IMAGES)
        record(patterns)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
