"""Make the documents' pictures: ``python -m tools.pictures [dashboard] [terminal] [diagrams]``, or all.

It needs Chromium, npm, and the packages ``playwright``, ``uvicorn`` and ``pyte``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from tools.pictures import dashboard, diagrams, terminal
from tools.sources import ROOT

MAKERS = {"dashboard": dashboard.take, "terminal": terminal.take, "diagrams": diagrams.draw}


async def main(names: Sequence[str]) -> None:
    """Make the pictures of these kinds."""
    for name in names or MAKERS:
        await MAKERS[name](ROOT / "docs" / "images")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
