"""Load statements, a file for each room, and fill names into their places."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

PLACE = re.compile(r"\{\{(\w+)\}\}")


def read_sql(name: str) -> str:
    """Return the text of a statement of ``sql/*.sql``, or of a part of one, without its comments."""
    return _statements()[name]


@cache
def _statements() -> dict[str, str]:
    """Read all statements; each stands behind its name: ``-- name: stats``."""
    folder = files("sp00ky_store_postgres").joinpath("sql")
    texts = [file.read_text() for file in folder.iterdir() if file.name.endswith(".sql")]
    named = (block.partition("\n") for text in texts for block in text.split("-- name: ")[1:])
    return {name.strip(): _without_comments(text) for name, _, text in named}


def fill(text: str, **parts: str) -> str:
    """Put names and expressions into ``{{name}}``; every part is SQL already.

    What isn't given is the text of that name in ``sql/*.sql``, filled in likewise.
    """

    def part(place: re.Match[str]) -> str:
        name = place[1]
        if name not in parts and name in _statements():
            return fill(read_sql(name), **parts)
        return parts.get(name, place[0])

    return PLACE.sub(part, text)


def fits(column: str, longest: int) -> str:
    """Return a condition on ``job``: a column of json has so many bytes at most."""
    return fill(read_sql("fits_json"), column=column, longest=str(longest))


def unreadable(entry: str) -> str:
    """Return a condition on json: ``->>`` would fail for what is in it (NUL, half a surrogate pair)."""
    return f"{entry}::text ~* (chr(92) || chr(92) || 'u(0000|d[89a-f])')"


def quoted(*names: str) -> str:
    """Return an identifier, qualified where several names are given; whatever the names hold."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def literal(text: str) -> str:
    """Return a text as a constant, under any setting of ``standard_conforming_strings``."""
    plain = "'" + text.replace("'", "''") + "'"
    return plain if "\\" not in text else " E" + plain.replace("\\", "\\\\")


def _without_comments(text: str) -> str:
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(lines).strip()
