"""Write pieces of Markdown: tables, and links from page to page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["relative", "table"]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; what would end a cell is escaped."""
    cells = [[cell.replace("|", "\\|") for cell in line] for line in (header, ["---"] * len(header), *rows)]
    return [f"| {' | '.join(line)} |" for line in cells]


def relative(page: Path, of: Path) -> str:
    """Return the link from one page to another; both are below the same folder."""
    return Path(os.path.relpath(page, of.parent)).as_posix()
