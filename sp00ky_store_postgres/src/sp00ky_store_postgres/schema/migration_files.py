"""Read the numbered migrations: statements, each after a header ``-- kind name: consequence without it``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import attrs

from sp00ky_store_postgres.schema.definition import VERSION

__all__ = ["Statement", "statements"]

HEADER = re.compile(r"^-- (\w+) ([\w.]*): (.*)\n", re.MULTILINE)


@attrs.frozen(kw_only=True)
class Statement:
    """A statement of a migration.

    Attributes:
        version: The migration's number.
        kind: Of the object that it makes: schema, table, column, index, unique, check, trigger, function; or
            ``validated``: a CHECK that a statement before has added ``NOT VALID``; or ``dropped``: an index
            or a CHECK in whose place something else is.
        name: Of the object; for indexes and triggers without the table's name; empty: the table itself.
        without: What is the matter without the object, or until it is dropped.
        text: SQL with places for names.
    """

    version: int
    kind: str
    name: str
    without: str
    text: str

    @property
    def stops_jobs(self) -> bool:
        """Tell whether enqueueing or running fails without the object."""
        return self.kind in {"schema", "table", "column", "unique"}


@cache
def statements(scope: str) -> tuple[Statement, ...]:
    """Return the statements of every version, in order.

    Args:
        scope: ``table``: for each job table; ``shared``: once for all.
    """
    return tuple(each for version in range(1, VERSION + 1) for each in _read(version, scope))


def _read(version: int, scope: str) -> Iterator[Statement]:
    file = files("sp00ky_store_postgres").joinpath("schema", "migrations", f"{version:04}_{scope}.sql")
    _, *parts = HEADER.split(file.read_text())
    for kind, name, without, text in zip(*(parts[n::4] for n in range(4)), strict=True):
        yield Statement(version=version, kind=kind, name=name, without=without, text=text.strip())
