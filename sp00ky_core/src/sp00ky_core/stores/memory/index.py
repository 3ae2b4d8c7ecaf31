"""Keep the rows of an index sorted, and find those that meet conditions in a range of it."""

from __future__ import annotations

import operator
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from sp00ky_core.stores.transactional import Both, Index, Is, Row, Table, Where

__all__ = ["met"]

Entry = tuple[Any, ...]
"""The values of a row's columns, each after whether there is one; NULL comes before every value."""

END = (2,)
"""After every value of a column."""

COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda value, values: value in values,
    "not in": lambda value, values: value not in values,
}


def met(row: Row, where: Where) -> bool:
    """Whether a row meets a condition; NULL meets none that compares it with a value."""
    if isinstance(where, Is):
        value, wanted = row[where.column], where.value
        if wanted is None:
            return (value is None) is (where.operator == "=")
        return value is not None and COMPARED[where.operator](value, wanted)
    found = (met(row, each) for each in where.conditions)
    return all(found) if isinstance(where, Both) else any(found)


class SortedIndex:
    """One index: an entry a row, in a sorted list.

    Attributes:
        columns: The index's, and the table's key, so that every entry is another.
        where: Of the rows that it holds.
        is_unique: It holds each value once.
        entries: In order; each holds its row's key.
    """

    def __init__(self, table: Table, index: Index) -> None:
        self.columns: tuple[str, ...] = tuple(dict.fromkeys((*index.columns, *table.key)))
        self.where: Sequence[Any] = index.where
        self.is_unique: bool = index.unique
        self.entries: list[Entry] = []
        self._values = 2 * len(index.columns)
        self._key_of = operator.itemgetter(*(2 * self.columns.index(name) + 1 for name in table.key))

    def entry(self, row: Row | None) -> Entry | None:
        """Return a row's entry; None: it is none of those that the index holds."""
        if row is None:
            return None
        for each in self.where:
            if not met(row, each):
                return None
        values: list[Any] = []
        for name in self.columns:
            value = row[name]
            values += (value is not None, value)
        return tuple(values)

    def refuses(self, entry: Entry | None) -> bool:
        """Whether it is unique, and another row has the values of an entry."""
        if entry is None or not self.is_unique:
            return False
        values = entry[: self._values]
        at = bisect_left(self.entries, values)
        return at < len(self.entries) and self.entries[at][: self._values] == values

    def replace(self, old: Entry | None, new: Entry | None) -> None:
        """Take one entry out, and put another in."""
        if old is not None:
            del self.entries[bisect_left(self.entries, old)]
        if new is not None:
            insort(self.entries, new)

    def keys(self, equal: Sequence[Any], within: Sequence[Any], *, backwards: bool) -> Iterator[Any]:
        """Yield the keys of rows that meet conditions.

        Args:
            equal: One on each of the first columns, ``=`` or ``in``.
            within: Others on the column after them.
            backwards: From the last to the first.
        """
        for values in product(
            *(set(each.value) if each.operator == "in" else (each.value,) for each in equal)
        ):
            start, end = self._span(tuple(part for one in values for part in (one is not None, one)), within)
            for at in range(end - 1, start - 1, -1) if backwards else range(start, end):
                yield self._key_of(self.entries[at])

    def _span(self, prefix: Entry, within: Sequence[Any]) -> tuple[int, int]:
        starts, ends = [prefix], [(*prefix, *END)]
        for each in within:
            before = (*prefix, True, each.value)
            after = (*before, *END)
            starts.append({">": after, ">=": before}.get(each.operator, (*prefix, True)))
            ends += {"<": [before], "<=": [after]}.get(each.operator, [])
        return bisect_left(self.entries, max(starts)), bisect_left(self.entries, min(ends))
