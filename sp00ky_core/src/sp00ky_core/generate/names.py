"""Turn names of a document into identifiers: ASCII, public, no keywords, each once."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from itertools import count

LONGEST = 60
"""Characters of an identifier."""

HIDDEN = frozenset({"str", "int", "float", "bool", "datetime", "date"})
"""Names in types that one of a class would hide there; the others begin with a capital."""

_WORD = re.compile(r"[A-Za-z0-9]+")
_PUBLIC = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class Names:
    """The identifiers of one scope. ``separator`` stands before the number of one that was taken."""

    def __init__(self, taken: Iterable[str] = (), *, separator: str = "") -> None:
        self._taken = set(taken)
        self._separator = separator
        self._numbers: dict[str, int] = {}

    def unique(self, *candidates: str) -> str:
        """Return the first candidate that is free, else the last one with a number, and take it."""
        last = f"{candidates[-1]}{self._separator}"
        name = next((name for name in candidates if name not in self._taken), None) or self._numbered(last)
        self._taken.add(name)
        return name

    def stem(self, wanted: str, *templates: str) -> str:
        """Return a stem, numbered until all that the templates make of it are free, and take these."""
        for number in count(1):
            stem = wanted if number == 1 else f"{wanted}{number}"
            made = {template.format(stem) for template in templates}
            if self._taken.isdisjoint(made):
                break
        self._taken |= made
        return stem

    def _numbered(self, last: str) -> str:
        """Return a free name; it goes on where it ended, so that many names alike take no long time."""
        number = self._numbers.get(last, 2)
        while f"{last}{number}" in self._taken:
            number += 1
        self._numbers[last] = number
        return f"{last}{number}"


def class_name(text: str) -> str:
    """Return a name for a class, as ``SpookifyPayload``."""
    words = _WORD.findall(text)
    name = "".join(word[0].upper() + word[1:] for word in words)[:LONGEST]
    return name if name and name[0].isalpha() and not keyword.iskeyword(name) else f"T{name}"


def attribute_name(text: str) -> str:
    """Return a name for an attribute or a method, as ``users_id``."""
    name = "_".join(_WORD.findall(text))[:LONGEST] or "root"
    name = name[0].lower() + name[1:] if name[0].isalpha() else f"n{name}"
    return f"{name}_" if keyword.iskeyword(name) or name in HIDDEN else name


def method_name(operation_id: str | None) -> str | None:
    """Return an ``operationId`` as a method's name, begun in lower case, as no class is; None: it is none."""
    if operation_id is None or not _PUBLIC.fullmatch(operation_id) or len(operation_id) > LONGEST:
        return None
    name = operation_id[0].lower() + operation_id[1:]
    return None if keyword.iskeyword(name) or name in HIDDEN else name
