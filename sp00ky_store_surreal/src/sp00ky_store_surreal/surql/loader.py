"""Load statements from the ``.surql`` files, with names filled in."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from sp00ky_core.errors import ConfigError
from sp00ky_core.ports import LONGEST_TEXT
from sp00ky_core.stores.rows import UNREAD

MARK = "\ufdd0nul\ufdd0"
"""Stands for NUL in a reply (the embedded engine can't return one); noncharacters, so no client's text."""

NUL: dict[str, str | int] = {
    "nul": "\0",
    "mark": MARK,
    "far": r"d'([+-]\d+|0000)-\d\d-\d\dT",
    "unread": UNREAD,
    "longest_text": LONGEST_TEXT,
}
"""What statements that read clients' text bind. An instant that is ``far`` is none in Python: in a server's
reply it would end the SDK's reading, and the caller would wait for ever."""

BOUND = "d'9998-12-31T00:00:00Z'"
_PLACE = re.compile(r"@(\w+)@")


@cache
def _text(name: str) -> str:
    return files("sp00ky_store_surreal").joinpath(name).read_text(encoding="utf-8")


@cache
def _included(name: str) -> str:
    # @@is_job@@ and the like are files of fragments/; comments have lines of their own.
    text = re.sub(r"^ *-- .*\n", "", _text(f"surql/{name}.surql"), flags=re.MULTILINE)
    return re.sub(r"@@(\w+)@@", lambda found: _included(f"fragments/{found[1]}").strip(), text)


def surql(name: str, **names: str) -> str:
    """Load a statement by its file's name; ``@name@`` in it is replaced."""
    return _PLACE.sub(lambda found: names[found[1]], _included(name))


def steps_of(schema: str, **names: str) -> list[tuple[str, str]]:
    """Load a schema file's statements, each with its reason (the comment above it)."""
    text = _PLACE.sub(lambda found: names[found[1]], _text(f"schema/{schema}.surql"))
    steps = []
    for block in filter(None, (each.strip() for each in text.split("\n\n"))):
        why, _, statement = block.partition("\n")
        steps.append((statement, why.removeprefix("-- ")))
    return steps


def quoted(name: str) -> str:
    """Quote a table's name for a statement. Raises ``ConfigError`` where it can't be one."""
    if not name or any(each in name for each in "`\\\0\n:⟨⟩"):
        raise ConfigError(file="method.table", problem=f"{name!r} can't be the name of a table")
    return f"`{name}`"


def identifier(name: str) -> str:
    """Quote the name of a namespace or a database for a statement, whatever it is."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
