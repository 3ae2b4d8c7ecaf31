"""Read what a page says in sentences: no comments, code, tables, headings, nor where links lead."""

import re
from collections.abc import Iterator

_LEFT_OUT = re.compile(
    r"<!--.*?-->"  # comments
    r"|^ *```.*?^ *```$"  # fences
    r"|^(?: {4,}\S[^\n]*\n?)+"  # blocks that are code by their indent; a list's lines have less
    r"|^:::[^\n]*$",
    re.DOTALL | re.MULTILINE,
)
_CODE = re.compile(r"`[^`]*`")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_ITEM = re.compile(r"([-*+]|\d+\.)\s+")
_END = re.compile(r"(?<=[.!?])[\"')*_]*\s+(?=[\"'(*_]*[A-Z0-9`])")


def without_code(text: str) -> str:
    """Return a page's text with as many lines, and a backtick for each piece of code."""
    blank = _LEFT_OUT.sub(lambda found: "\n" * found[0].count("\n"), text)
    coded = _CODE.sub(lambda found: "`" + "\n" * found[0].count("\n"), blank)
    return _LINK.sub(lambda found: found[1] + "\n" * (found[0].count("\n") - found[1].count("\n")), coded)


def paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Yield the paragraphs and items of lists, each with the number of its first line."""
    lines: list[str] = []
    first = 0
    for number, line in enumerate([*without_code(text).split("\n"), ""], 1):
        stripped = line.strip()
        ends = not stripped or stripped.startswith(("#", "|", ">")) or _ITEM.match(stripped)
        if ends and lines:
            yield first, " ".join(lines)
            lines = []
        if stripped and not stripped.startswith(("#", "|")):
            first = first if lines else number
            lines.append(_ITEM.sub("", stripped, count=1))


def sentences(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield each sentence: the line at which its paragraph begins, how many words it has, and itself.

    A piece of code is no word.
    """
    for number, paragraph in paragraphs(text):
        for sentence in _END.split(paragraph):
            count = sum(bool(re.search(r"\w", word)) for word in sentence.split())
            if count:
                yield number, count, sentence
