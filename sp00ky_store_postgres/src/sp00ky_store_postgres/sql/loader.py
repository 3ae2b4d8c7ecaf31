"""Load statements, one file each, and fill names into their places."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_PLACE = re.compile(r"\{\{(\w+)\}\}")


@cache
def read_sql(name: str) -> str:
    """Return the text of ``sql/<name>.sql``, without its comments."""
    return _without_comments(files("sp00ky_store_postgres").joinpath("sql", f"{name}.sql").read_text())


def fill(text: str, **parts: str) -> str:
    """Put names and expressions into ``{{name}}``, in one pass; every part is SQL already."""
    return _PLACE.sub(lambda place: parts.get(place[1], place[0]), text)


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
