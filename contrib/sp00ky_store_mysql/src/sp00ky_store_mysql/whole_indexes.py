"""Index some of the rows where an index holds all: by a constant in front, or a generated copy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Unpack

import attrs

from sp00ky_core.ports import Column, Index, Is, ReadOptions, Row, Table, Where
from sp00ky_store_kit import SqlSession

__all__ = ["WholeIndexes"]


@attrs.frozen
class Copy(Column):
    """A generated column.

    Attributes:
        of: The column that it is a copy of, in rows that meet the conditions; it is NULL in others.
        where: The conditions.
    """

    of: str = ""
    where: tuple[Where, ...] = ()


class WholeIndexes(SqlSession):
    """A session whose tables' indexes hold all rows."""

    async def select(
        self, table: Table, where: Sequence[Where] = (), **options: Unpack[ReadOptions]
    ) -> list[Row]:
        """See ``Session.select``."""
        options["columns"] = options.get("columns") or tuple(table.kinds)
        table, where, options["order"] = by_copies(table, where, options.get("order", ()))
        return await super().select(table, where, **options)

    async def count(self, table: Table, where: Sequence[Where] = ()) -> int:
        """See ``Session.count``."""
        table, where, _ = by_copies(table, where)
        return await super().count(table, where)

    async def tally(
        self, table: Table, columns: Sequence[str], where: Sequence[Where] = (), *, limit: int | None = None
    ) -> list[tuple[Row, int]]:
        """See ``Session.tally``."""
        table, where, _ = by_copies(table, where)
        return await super().tally(table, columns, where, limit=limit)

    def fitted(self, table: Table) -> Table:
        """See ``Session.fitted``."""
        return with_whole_indexes(table)

    def _column(self, table: Table, column: Column) -> str:
        if not isinstance(column, Copy):
            return super()._column(table, column)
        met = " AND ".join(self._condition(table, condition, []) for condition in column.where)
        copied = f"CASE WHEN {met} THEN {self._name(column.of)} END"
        return f"{self._name(column.name)} {self.type_of(column)} GENERATED ALWAYS AS ({copied}) STORED"


@cache
def with_whole_indexes(table: Table) -> Table:
    """Return a table whose indexes hold all rows.

    What one value says of the rows of an index stands in front. Else the index is of a copy of its first
    column, which is NULL in the rows that it isn't to hold.
    """
    columns, indexes = list(table.columns), list[Index]()
    kinds = {column.name: column for column in table.columns}
    for index in table.indexes:
        first, *rest = index.columns
        asked = [condition for condition in index.where if isinstance(condition, Is)]
        constants = [condition.column for condition in asked if condition.operator == "="]
        others = [condition for condition in asked if condition.column != first]
        if index.unique or (others and not constants):
            copied = {**attrs.asdict(kinds[first], recurse=False), "name": f"{first}_{index.name}"}
            columns.append(Copy(**copied, of=first, where=index.where))
            indexes.append(Index(index.name, (copied["name"], *rest), unique=index.unique))
        else:
            front = [constant for constant in constants if constant not in index.columns]
            indexes.append(Index(index.name, (*front, first, *rest)))
    return Table(table.name, tuple(columns), table.key, tuple(indexes), table.former)


def by_copies(
    table: Table, where: Sequence[Where], order: Sequence[str] = ()
) -> tuple[Table, Sequence[Where], Sequence[str]]:
    """Ask for a column's copy instead of it where all rows that are asked for have one, for its index."""
    table = with_whole_indexes(table)
    copies = _copies(table, where)
    where = [
        attrs.evolve(condition, column=copies.get(condition.column, condition.column))
        if isinstance(condition, Is)
        else condition
        for condition in where
    ]
    signs = [("-" * name.startswith("-"), name.removeprefix("-")) for name in order]
    return table, where, [f"{sign}{copies.get(name, name)}" for sign, name in signs]


def _copies(table: Table, where: Sequence[Where]) -> dict[str, str]:
    """Name the copies, by the column, that are there in every row which meets these conditions."""
    compared = {
        condition.column for condition in where if isinstance(condition, Is) and condition.value is not None
    }
    known = [*where, *(Is(name, "!=", None) for name in compared)]
    copies = (column for column in table.columns if isinstance(column, Copy))
    return {copy.of: copy.name for copy in copies if all(condition in known for condition in copy.where)}
