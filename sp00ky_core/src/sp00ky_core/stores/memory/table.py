"""Keep one table of the memory store: its rows by key, and the indexes that keep each call's cost flat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from operator import itemgetter
from typing import Any

from sp00ky_core.errors import RowRefused
from sp00ky_core.stores.memory.index import SortedIndex, met
from sp00ky_core.stores.memory.query_plan import Plan, plan
from sp00ky_core.stores.transactional import Default, Index, Is, Row, Table, Where

__all__ = ["in_order"]


class MemoryTable:
    """Rows, which are replaced and never changed.

    Attributes:
        rows: By key.
        held: Those of open transactions, by key; unique indexes alone know them.
        key_of: Returns a row's key; one of several columns is a tuple.
    """

    def __init__(self, table: Table) -> None:
        self.rows: dict[Any, Row] = {}
        self.held: dict[Any, Row] = {}
        self.key_of: Callable[[Row], Any] = itemgetter(*table.key)
        self._name = table.name
        self._key = table.key
        self._declared = table.indexes if len(table.key) == 1 else (*table.indexes, Index("key", table.key))
        self._defaults: Row = dict.fromkeys(table.kinds) | table.defaults()
        self._dated = [each.name for each in table.columns if each.default is Default.NOW]
        self._indexes = [SortedIndex(table, each) for each in self._declared]
        self._telling = {each.column for of in self._indexes for each in of.where if each.value is not None}
        self._plans = _plans(self._key, self._declared)

    def whole(self, row: Row, now: datetime) -> Row:
        """Return a row with all columns."""
        return {**self._defaults, **dict.fromkeys(self._dated, now), **row}

    def put(self, key: Any, row: Row | None) -> None:
        """Insert or replace a row; None: delete it. Raises ``RowRefused``, and has then changed nothing."""
        self._move(self._indexes, self.rows.get(key), row)
        if row is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = row

    def hold(self, row: Row) -> None:
        """Keep a row of an open transaction, and its unique values. Raises ``RowRefused``."""
        self._move([each for each in self._indexes if each.is_unique], None, row)
        self.held[self.key_of(row)] = row

    def let_go(self, key: Any) -> Row:
        """Forget a row that was held, and return it."""
        row = self.held.pop(key)
        self._move([each for each in self._indexes if each.is_unique], row, None)
        return row

    def find(self, where: Sequence[Where], order: Sequence[str] = (), limit: int | None = None) -> list[Row]:
        """Return rows that meet all conditions, in an order."""
        if not self.rows and not self.held:
            return []
        chosen = self._plan(where, order)
        found: Iterable[Row] = self._found(chosen, where)
        if chosen.rest:
            rest = [where[n] for n in chosen.rest]
            found = (row for row in found if all(met(row, each) for each in rest))
        if chosen.turns or not order:
            return list(found if limit is None else islice(found, limit))
        return in_order(found, order, limit)

    def _found(self, chosen: Plan, where: Sequence[Where]) -> Iterator[Row]:
        equal: list[Any] = [where[n] for n in chosen.equal]
        if chosen.index is not None:
            within = [where[n] for n in chosen.within]
            for key in self._indexes[chosen.index].keys(equal, within, backwards=chosen.turns < 0):
                yield self.rows.get(key) or self.held[key]
        elif not equal:
            yield from self.rows.values()
        else:
            keys = dict.fromkeys(equal[0].value) if equal[0].operator == "in" else (equal[0].value,)
            yield from filter(None, map(self.rows.get, keys))

    def _plan(self, where: Sequence[Where], order: Sequence[str]) -> Plan:
        telling = self._telling
        shape: list[Any] = [order if type(order) is tuple else tuple(order)]
        for each in where:
            if isinstance(each, Is):
                value = each.value
                shape += (each.column, each.operator, value if value is None or each.column in telling else 0)
            else:
                shape.append(())
        asked = tuple(shape)
        found = self._plans.get(asked)
        if found is None:
            found = self._plans[asked] = plan(self._key, self._declared, where, order)
        return found

    def _move(self, indexes: Sequence[SortedIndex], before: Row | None, after: Row | None) -> None:
        moves = [(each, each.entry(before), each.entry(after)) for each in indexes]
        moves = [each for each in moves if each[1] != each[2]]
        if any(index.refuses(new) for index, _, new in moves):
            raise RowRefused(store="memory://", problem=f"another row of {self._name} has its unique values")
        for index, old, new in moves:
            index.replace(old, new)


def in_order(found: Iterable[Row], order: Sequence[str], limit: int | None) -> list[Row]:
    """Return the first of some rows in an order."""
    rows = list(found)
    for each in reversed(order):
        name = each.removeprefix("-")
        rows.sort(key=lambda row: (row[name] is not None, row[name]), reverse=each.startswith("-"))
    return rows[:limit]


@cache
def _plans(key: Sequence[str], indexes: Sequence[Index]) -> dict[Any, Plan]:
    """Return the plans that are known so far, by the shape of the question, of all tables that are alike."""
    return {}
