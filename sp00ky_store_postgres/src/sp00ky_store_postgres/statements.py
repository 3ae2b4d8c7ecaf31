"""The statements: one file each in ``sql/``, with places for names that are filled in once."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

__all__ = ["read_sql", "read_migration", "fill", "quoted", "literal", "unless_there"]

_PLACE = re.compile(r"\{\{(\w+)\}\}")


@cache
def read_sql(name: str) -> str:
    """The text of ``sql/<name>.sql``, without its comments."""
    return _without_comments(files("sp00ky_store_postgres").joinpath("sql", f"{name}.sql").read_text())


@cache
def read_migration(name: str) -> str:
    """The text of ``migrations/<name>.sql``, without its comments."""
    return _without_comments(files("sp00ky_store_postgres").joinpath("migrations", f"{name}.sql").read_text())


def fill(text: str, **parts: str) -> str:
    """Put names and expressions into ``{{name}}``, in one pass; every part is SQL already."""
    return _PLACE.sub(lambda place: parts.get(place[1], place[0]), text)


def unless_there(found: str, statement: str) -> str:
    """A statement that knows no IF NOT EXISTS, to do nothing where ``SELECT FROM found`` has a row."""
    body = f"BEGIN IF NOT EXISTS (SELECT FROM {found}) THEN\n    {statement};\nEND IF; END"
    tag = "$do$"
    while tag in body:
        tag = f"{tag[:-1]}_$"
    return f"DO {tag} {body} {tag}"


def quoted(*names: str) -> str:
    """An identifier, qualified where several names are given; whatever the names hold."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def literal(text: str) -> str:
    """A text as a constant, under any setting of ``standard_conforming_strings``."""
    plain = "'" + text.replace("'", "''") + "'"
    return plain if "\\" not in text else " E" + plain.replace("\\", "\\\\")


def _without_comments(text: str) -> str:
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(lines).strip()
