"""Choose what answers a question to a table in memory: the key, an index, or a look at every row."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import attrs

from sp00ky_core.stores.transactional import Index, Is, Where

__all__ = ["Plan", "plan"]

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
    by_key = [n for n, each in enumerate(where) if len(key) == 1 and _is_on(each, key[0], EQUAL)][:1]
    rest = tuple(n for n in range(len(where)) if n not in by_key)
    plans = [Plan(None, tuple(by_key), (), rest, 0, 100 * len(by_key))]
    for n, index in enumerate(indexes):
        if all(_is_implied(wanted, where) for wanted in index.where):
            plans.append(_by_index(n, index, key, where, order))
    return max(plans, key=lambda each: each.worth)


def _is_implied(wanted: Where, where: Sequence[Where]) -> bool:
    if wanted in where or not isinstance(wanted, Is) or (wanted.operator, wanted.value) != ("!=", None):
        return wanted in where
    return any(
        isinstance(each, Is) and each.column == wanted.column and each.value is not None for each in where
    )


def _by_index(
    place: int, index: Index, key: Sequence[str], where: Sequence[Where], order: Sequence[str]
) -> Plan:
    columns, equal = tuple(dict.fromkeys((*index.columns, *key))), list[int]()
    for column in columns:
        fixing = [n for n, each in enumerate(where) if _is_on(each, column, EQUAL)]
        if not fixing:
            break
        equal.append(fixing[0])
    left = columns[len(equal) :]
    within = [n for n, each in enumerate(where) if left and _is_on(each, left[0], RANGES)]
    known = (n for n, each in enumerate(where) if each in index.where)
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
    return -1 if tuple(order) == tuple(f"-{each}" for each in first) else 0
