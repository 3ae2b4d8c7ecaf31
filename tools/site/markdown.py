"""Write pieces of Markdown: tables, and links from page to page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["escaped", "relative", "table"]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def escaped(text: str) -> str:
    """Escape what would end a table's cell."""
    return text.replace("|", "\\|")


def relative(page: Path, of: Path) -> str:
    """Return the link from one page to another; both are below the same folder."""
    return Path(os.path.relpath(page, of.parent)).as_posix()
