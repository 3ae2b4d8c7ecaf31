"""Load statements from the ``.surql`` files, with names filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from sp00ky_core.errors import ConfigError
from sp00ky_core.ports import LONGEST_TEXT
from sp00ky_core.stores.rows import UNREAD

MARK = "\ufdd0nul\ufdd0"
"""Stands for NUL in a reply, where the engine (2.3) can't return one; no client's text has noncharacters."""

NUL: dict[str, str | int] = {
    "nul": "\0",
    "mark": MARK,
    "far": r"d'([+-]\d+|0000)-\d\d-\d\dT",
    "unread": UNREAD,
    "longest_text": LONGEST_TEXT,
}
"""What statements that read clients' text bind. An instant that is ``far`` is none in Python: in a server's
reply it would end the SDK's reading, and the caller would wait for ever."""

_PLACE = re.compile(r"@(\w+)@")
_HEADING = re.compile(r"^-- \[(\w+)\] .*\n", re.MULTILINE)
_COMMENT = re.compile(r"^ *-- .*\n", re.MULTILINE)


@cache
def statements() -> Mapping[str, str]:
    """Read all statements, and parts of them, by the name in their heading: ``-- [name] What it does``."""
    texts: dict[str, str] = {}
    for path in _files(files("sp00ky_store_surreal").joinpath("surql")):
        _, *parts = _HEADING.split(path.read_text(encoding="utf-8"))
        texts |= zip(parts[::2], parts[1::2], strict=True)
    return texts


def _files(folder: Traversable) -> Iterator[Traversable]:
    for path in folder.iterdir():
        if path.is_dir():
            yield from _files(path)
        elif path.name.endswith(".surql"):
            yield path


@cache
def _included(name: str) -> str:
    # @@is_job@@ and the like are others; comments have lines of their own.
    text = _COMMENT.sub("", statements()[name])
    return re.sub(r"@@(\w+)@@", lambda match: _included(match[1]).strip(), text)


@lru_cache(maxsize=512)  # a claim has the same parts again and again
def surql(name: str, **names: str) -> str:
    """Load a statement by its name; ``@name@`` in it is replaced."""
    return filled(_included(name), names)


def filled(text: str, names: Mapping[str, str]) -> str:
    """Replace ``@name@`` in a text."""
    return _PLACE.sub(lambda match: names[match[1]], text)


def quoted(name: str) -> str:
    """Quote a table's name for a statement. Raises ``ConfigError`` where it can't be one."""
    if not name or any(character in name for character in "`\\\0\n:⟨⟩"):
        raise ConfigError(file="method.table", problem=f"{name!r} can't be the name of a table")
    return f"`{name}`"


def identifier(name: str) -> str:
    """Quote the name of a namespace or a database for a statement, whatever it is."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
