"""Keep one table of the memory store: its rows by key, its indexes, and which of them answers a question."""

from __future__ import annotations

import operator
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import islice, product
from operator import itemgetter
from typing import Any

import attrs

from sp00ky_core.errors import RowRefused
from sp00ky_core.stores.transactional import Both, Default, Index, Is, Row, Table, Where

__all__ = ["in_order", "met"]

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
    answers = (met(row, condition) for condition in where.conditions)
    return all(answers) if isinstance(where, Both) else any(answers)


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
        for condition in self.where:
            if not met(row, condition):
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
            *(
                set(condition.value) if condition.operator == "in" else (condition.value,)
                for condition in equal
            )
        ):
            start, end = self._span(tuple(part for one in values for part in (one is not None, one)), within)
            for at in range(end - 1, start - 1, -1) if backwards else range(start, end):
                yield self._key_of(self.entries[at])

    def _span(self, prefix: Entry, within: Sequence[Any]) -> tuple[int, int]:
        starts, ends = [prefix], [(*prefix, *END)]
        for condition in within:
            before = (*prefix, True, condition.value)
            after = (*before, *END)
            starts.append({">": after, ">=": before}.get(condition.operator, (*prefix, True)))
            ends += {"<": [before], "<=": [after]}.get(condition.operator, [])
        return bisect_left(self.entries, max(starts)), bisect_left(self.entries, min(ends))


EQUAL = {"=", "in"}
RANGES = {"<", "<=", ">", ">="}


@attrs.frozen
class Plan:
    """Says where to find what questions of one shape ask for; conditions are named by their place.

    Attributes:
        index: Which; None: the key answers, or where ``equal`` is empty nothing but all rows.
        equal: Conditions that fix the first columns.
        within: Conditions on the column after these.
        rest: Conditions that the rows so found are asked for.
        turns: More than 0: they come in the order that is wanted; less: in reverse; 0: in some order.
        worth: How much better it is than to look at every row.
    """

    index: int | None
    equal: tuple[int, ...]
    within: tuple[int, ...]
    rest: tuple[int, ...]
    turns: int
    worth: int


def plan(key: Sequence[str], indexes: Sequence[Index], where: Sequence[Where], order: Sequence[str]) -> Plan:
    """Choose the best plan, whose index holds every row that meets the conditions.

    A key of several columns is found by an index, as others are.
    """
    by_key = [n for n, condition in enumerate(where) if _is_on(condition, key[0], EQUAL)][:1]
    by_key = by_key if len(key) == 1 else []
    rest = tuple(n for n in range(len(where)) if n not in by_key)
    plans = [Plan(None, tuple(by_key), (), rest, 0, 100 * len(by_key))]
    for n, index in enumerate(indexes):
        if all(_is_implied(wanted, where) for wanted in index.where):
            plans.append(_by_index(n, index, key, where, order))
    return max(plans, key=lambda candidate: candidate.worth)


def _is_implied(wanted: Where, where: Sequence[Where]) -> bool:
    if wanted in where or not isinstance(wanted, Is) or (wanted.operator, wanted.value) != ("!=", None):
        return wanted in where
    return any(
        isinstance(condition, Is) and condition.column == wanted.column and condition.value is not None
        for condition in where
    )


def _by_index(
    place: int, index: Index, key: Sequence[str], where: Sequence[Where], order: Sequence[str]
) -> Plan:
    columns, equal = tuple(dict.fromkeys((*index.columns, *key))), list[int]()
    for column in columns:
        fixing = [n for n, condition in enumerate(where) if _is_on(condition, column, EQUAL)]
        if not fixing:
            break
        equal.append(fixing[0])
    left = columns[len(equal) :]
    within = [n for n, condition in enumerate(where) if left and _is_on(condition, left[0], RANGES)]
    known = (n for n, condition in enumerate(where) if condition in index.where)
    rest = set(range(len(where))).difference(equal, within, known)
    several = any(_is_on(where[n], columns[at], {"in"}) for at, n in enumerate(equal))
    turns = 0 if several else _turns(left, order)
    worth = 2 * len(equal) + len(index.where) + bool(within) + bool(turns)
    return Plan(place, tuple(equal), tuple(within), tuple(sorted(rest)), turns, worth)


def _is_on(where: Where, column: str, operators: Collection[str]) -> bool:
    return isinstance(where, Is) and where.column == column and where.operator in operators


def _turns(columns: Sequence[str], order: Sequence[str]) -> int:
    first = columns[: len(order)]
    if tuple(order) == first:
        return len(order)
    return -1 if tuple(order) == tuple(f"-{column}" for column in first) else 0


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
        self._dated = [column.name for column in table.columns if column.default is Default.NOW]
        self._indexes = [SortedIndex(table, index) for index in self._declared]
        self._telling = {
            condition.column for of in self._indexes for condition in of.where if condition.value is not None
        }
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
        self._move([index for index in self._indexes if index.is_unique], None, row)
        self.held[self.key_of(row)] = row

    def let_go(self, key: Any) -> Row:
        """Forget a row that was held, and return it."""
        row = self.held.pop(key)
        self._move([index for index in self._indexes if index.is_unique], row, None)
        return row

    def find(self, where: Sequence[Where], order: Sequence[str] = (), limit: int | None = None) -> list[Row]:
        """Return rows that meet all conditions, in an order."""
        if not self.rows and not self.held:
            return []
        chosen = self._plan(where, order)
        rows: Iterable[Row] = self._found(chosen, where)
        if chosen.rest:
            rest = [where[n] for n in chosen.rest]
            rows = (row for row in rows if all(met(row, condition) for condition in rest))
        if chosen.turns or not order:
            return list(rows if limit is None else islice(rows, limit))
        return in_order(rows, order, limit)

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
        for condition in where:
            if isinstance(condition, Is):
                value = condition.value
                shape += (
                    condition.column,
                    condition.operator,
                    value if value is None or condition.column in telling else 0,
                )
            else:
                shape.append(())
        asked = tuple(shape)
        known = self._plans.get(asked)
        if known is None:
            known = self._plans[asked] = plan(self._key, self._declared, where, order)
        return known

    def _move(self, indexes: Sequence[SortedIndex], before: Row | None, after: Row | None) -> None:
        moves = [(index, index.entry(before), index.entry(after)) for index in indexes]
        moves = [move for move in moves if move[1] != move[2]]
        if any(index.refuses(new) for index, _, new in moves):
            raise RowRefused(store="memory://", problem=f"another row of {self._name} has its unique values")
        for index, old, new in moves:
            index.replace(old, new)


def in_order(unsorted: Iterable[Row], order: Sequence[str], limit: int | None) -> list[Row]:
    """Return the first of some rows in an order."""
    rows = list(unsorted)
    for column in reversed(order):
        name = column.removeprefix("-")
        rows.sort(key=lambda row: (row[name] is not None, row[name]), reverse=column.startswith("-"))
    return rows[:limit]


@cache
def _plans(key: Sequence[str], indexes: Sequence[Index]) -> dict[Any, Plan]:
    """Return the plans that are known so far, by the shape of the question, of all tables that are alike."""
    return {}
