"""Measure a document: name each paragraph, table cell and line that is longer than one reads at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["MOST_CELL", "MOST_LINE", "MOST_PARAGRAPH", "long"]

MOST_PARAGRAPH, MOST_CELL, MOST_LINE = 80, 25, 120
"""Words, words, characters."""

FENCE = re.compile(r"\s*(```|~~~)")
INDENTED = " " * 4
"""Begins a line of code, outside of lists."""

ITEM = re.compile(r"(?:[-*+] |\d+\. )")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
TARGET = re.compile(r"\]\([^)]*\)")
"""A link's target isn't read."""

CELL_END = re.compile(r"(?<!\\)\|")

BEGINNING = re.compile(r"\s*(?:[-*+] |\d+\. |#|<|!!!|\?\?\?|:::)")
"""A paragraph begins with such a line: an item, a heading, HTML, an admonition."""


def long(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number of each line with something too long, and what it is."""
    lines = list(readable(text))
    for number, line in lines:
        if is_row(line):
            yield from cells(number, line)
        elif len(line) > MOST_LINE and " " in line.strip():
            yield number, f"a line of {len(line)} characters, at most {MOST_LINE}"
    yield from paragraphs(lines)


def readable(text: str) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines; those of code and of comments are empty."""
    text = COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)
    is_code = False
    around = ""
    for number, line in enumerate(text.splitlines(), 1):
        is_fence = FENCE.match(line) is not None
        around = line if line[:1].strip() else around
        is_indented = line.startswith(INDENTED) and not ITEM.match(around)
        yield number, "" if is_fence or is_code or is_indented else line
        is_code ^= is_fence


def is_row(line: str) -> bool:
    """Say whether a line is a table's."""
    return line.lstrip().startswith("|")


def cells(number: int, line: str) -> Iterator[tuple[int, str]]:
    """Yield a complaint for each cell with too many words."""
    for cell in CELL_END.split(line):
        if (count := words(cell)) > MOST_CELL:
            yield number, f"a table cell of {count} words, at most {MOST_CELL}: {start(cell)}"


def paragraphs(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield a complaint for each paragraph with too many words; an item of a list is one."""
    paragraph: list[str] = []
    begun = 0
    for number, line in [*lines, (0, "")]:
        is_end = not line.strip() or is_row(line)
        if is_end or BEGINNING.match(line):
            if (count := words(" ".join(paragraph))) > MOST_PARAGRAPH:
                yield begun, f"a paragraph of {count} words, at most {MOST_PARAGRAPH}: {start(paragraph[0])}"
            paragraph = []
        if not is_end:
            begun = begun if paragraph else number
            paragraph.append(line)


def words(text: str) -> int:
    """Count words as one reads them."""
    return len(TARGET.sub("]", text).split())


def start(text: str) -> str:
    """Return the first words, to find the place by."""
    return " ".join(text.split()[:6])
