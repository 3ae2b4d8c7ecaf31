"""Give each page its place: ``navigation.yml`` names pages, or patterns of them, under headings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

__all__ = ["expanded", "problems"]

FILE = Path(__file__).with_name("navigation.yml")
PLACE = re.compile(r"^( *- )(\S+\.md)$", re.MULTILINE)


def expanded(pages: Sequence[str]) -> str:
    """Return the navigation with each pattern replaced by the pages that match it, and aren't named."""
    text = FILE.read_text()
    others = sorted({*pages}.difference(_placed(text)))

    def written(place: re.Match[str]) -> str:
        indent, name = place.groups()
        # A pattern's stars stop at a folder's end.
        matching = [page for page in others if fnmatch(page, name) and page.count("/") == name.count("/")]
        return "\n".join(f"{indent}{page}" for page in matching) if "*" in name else place[0]

    return PLACE.sub(written, text)


def _placed(text: str) -> list[str]:
    return [place[2] for place in PLACE.finditer(text)]


def problems(pages: Sequence[str], navigation: str) -> list[str]:
    """Return a line for each page without a place, with two, and for each place without a page."""
    named, file = _placed(navigation), "tools/site/navigation.yml"
    lost = [f"{page} has no place in the navigation: add it to {file}" for page in pages if page not in named]
    missing = [f"{file} names {page}, which doesn't exist" for page in named if page not in pages]
    twice = [f"{file} has two places for {page}" for page in dict.fromkeys(named) if named.count(page) > 1]
    return lost + missing + twice
