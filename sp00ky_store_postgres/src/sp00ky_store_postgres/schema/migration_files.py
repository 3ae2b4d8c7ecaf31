"""Read the numbered migrations: statements, each after a header ``-- kind name: consequence without it``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import attrs

HEADER = re.compile(r"^-- (\w+) ([\w.]*): (.*)\n", re.MULTILINE)


@attrs.frozen(kw_only=True)
class Statement:
    """A statement of a migration.

    Attributes:
        version: The migration's number.
        kind: Of the object that it makes: schema, table, column, index, unique, check, trigger, function; or
            ``validated``: a CHECK that a statement before has added ``NOT VALID``; or ``dropped``: an index,
            a CHECK or a trigger in whose place something else is.
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
    folder = files("sp00ky_store_postgres").joinpath("schema", "migrations")
    of_scope = (file for file in folder.iterdir() if file.name.endswith(f"_{scope}.sql"))
    return tuple(each for file in sorted(of_scope, key=_version) for each in _read(file))


def _version(file: Traversable) -> int:
    return int(file.name.partition("_")[0])


def _read(file: Traversable) -> Iterator[Statement]:
    _, *parts = HEADER.split(file.read_text())
    version = _version(file)
    for kind, name, without, text in zip(*(parts[n::4] for n in range(4)), strict=True):
        yield Statement(version=version, kind=kind, name=name, without=without, text=text.strip())
