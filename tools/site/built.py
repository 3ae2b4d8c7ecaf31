"""Check the pages that were built: links and anchors lead somewhere, nothing is loaded from elsewhere.

Nor may a page show an object as Python prints it, whose address differs in each build.
"""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["problems"]

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "srcset"}
"""Elements by which a browser loads something, and the attribute that says what."""

PRINTED = ("Sentinel.", " at 0x")
"""Pieces of Python's own text for an object, where a generator had none to show."""


class _Page(HTMLParser):
    """One page's anchors, links, what it loads, and what Python has printed in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.printed = [each for each in PRINTED if each in text]
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        values = {name: value for name, value in attrs if value}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.add(values["href"])
        if tag in LOADED and LOADED[tag] in values and values.get("rel") != "canonical":
            self.loaded.add(values[LOADED[tag]])


def problems(folder: Path) -> list[str]:
    """Return a line for each link that leads nowhere, file of another site, and object that is printed."""
    pages = {file: _Page(file.read_text()) for file in sorted(folder.rglob("*.html"))}
    return [
        f"{file.relative_to(folder)}: {problem}"
        for file, page in pages.items()
        if file.name != "404.html"  # served for any address, so its links begin at the root
        for problem in (*_broken(file, page, pages), *_foreign(file, page), *_printed(page))
    ]


def _broken(file: Path, page: _Page, pages: dict[Path, _Page]) -> Iterator[str]:
    for link in sorted(page.links):
        address = urlsplit(link)
        if address.scheme or address.netloc:
            continue
        path = (file.parent / unquote(address.path)).resolve() if address.path else file
        path = path / "index.html" if path.is_dir() else path
        if not path.exists():
            yield f"the link to {link} leads nowhere"
        elif address.fragment and path in pages and unquote(address.fragment) not in pages[path].anchors:
            yield f"the link to {link} leads to a page without that anchor"


def _foreign(file: Path, page: _Page) -> Iterator[str]:
    for source in sorted(page.loaded):
        address = urlsplit(source)
        if address.scheme in {"http", "https"} or address.netloc:
            yield f"it loads {source}"
        elif address.scheme != "data" and not (file.parent / unquote(address.path)).exists():
            yield f"it shows {source}, which is missing"


def _printed(page: _Page) -> Iterator[str]:
    for each in page.printed:
        yield f"it shows an object as Python prints it: {each.strip()!r}"
