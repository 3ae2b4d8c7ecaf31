"""Give each page its place: ``navigation.yml`` names pages, or patterns of them, under headings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

__all__ = ["FILE", "expanded", "placed", "problems"]

FILE = Path(__file__).with_name("navigation.yml")


def expanded(pages: Sequence[str]) -> list[Any]:
    """Return the navigation with each pattern replaced by the pages that match it, and aren't named."""
    items = yaml.safe_load(FILE.read_text())
    named = set(placed(items))
    return _expanded(items, [page for page in sorted(pages) if page not in named])


def _expanded(items: Sequence[Any], others: Sequence[str]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if isinstance(item, dict):
            parts = {title: _expanded(inner, others) for title, inner in item.items()}
            found += [{title: inner} for title, inner in parts.items() if inner]
        elif "*" in item:
            found += [other for other in others if _matches(other, item)]
        else:
            found.append(item)
    return found


def _matches(page: str, pattern: str) -> bool:
    """Match a pattern, whose stars stop at a folder's end."""
    return fnmatch(page, pattern) and page.count("/") == pattern.count("/")


def placed(items: Sequence[Any]) -> Iterator[str]:
    """Yield the pages and patterns of a navigation."""
    for item in items:
        if isinstance(item, dict):
            for inner in item.values():
                yield from placed(inner)
        else:
            yield item


def problems(pages: Sequence[str], navigation: Sequence[Any]) -> list[str]:
    """Return a line for each page without a place, with two, and for each place without a page."""
    named = list(placed(navigation))
    file = "tools/site/navigation.yml"
    lost = [f"{page} has no place in the navigation: add it to {file}" for page in pages if page not in named]
    missing = [f"{file} names {each}, which doesn't exist" for each in named if each not in pages]
    twice = [
        f"{file} has two places for {fromkey}" for fromkey in dict.fromkeys(named) if named.count(fromkey) > 1
    ]
    return lost + missing + twice
