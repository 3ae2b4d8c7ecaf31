"""A sorted index: NULL first, ranges by conditions, each value once where it is unique."""

from __future__ import annotations

from typing import Any

import pytest

from sp00ky_core.stores.memory.index import SortedIndex, met
from sp00ky_core.stores.transactional import Both, Column, Either, Index, Is, Kind, Table

COLUMNS = (Column("id", Kind.TEXT), Column("kind", Kind.TEXT), Column("size", Kind.INTEGER))
BY_SIZE = Index("size", ("kind", "size"), (Is("kind", "!=", None),))
TABLE = Table("thing", COLUMNS, ("id",), (BY_SIZE,))


def row(key: str, kind: str | None, size: int | None) -> dict[str, Any]:
    return {"id": key, "kind": kind, "size": size}


ROWS = [
    row("d", "a", 3),
    row("b", "a", None),
    row("c", "a", 2),
    row("e", "b", 2),
    row("f", None, 2),
    row("a", "a", 2),
]


@pytest.fixture
def index() -> SortedIndex:
    index = SortedIndex(TABLE, BY_SIZE)
    for each in ROWS:
        index.replace(None, index.entry(each))
    return index


@pytest.mark.parametrize(
    ("within", "keys"),
    [
        ([], "bacd"),
        ([Is("size", "<=", 2)], "ac"),
        ([Is("size", "<", 3), Is("size", ">=", 2)], "ac"),
        ([Is("size", ">", 2)], "d"),
        ([Is("size", "<", 2)], ""),
    ],
)
def test_a_range_is_in_order_and_null_is_in_no_comparison(
    index: SortedIndex, within: list[Is], keys: str
) -> None:
    equal = [Is("kind", "=", "a")]
    assert "".join(index.keys(equal, within, backwards=False)) == keys
    assert "".join(index.keys(equal, within, backwards=True)) == keys[::-1]


def test_null_and_several_values_are_found(index: SortedIndex) -> None:
    missing = [Is("kind", "=", "a"), Is("size", "=", None)]
    assert list(index.keys(missing, [], backwards=False)) == ["b"]
    several = [Is("kind", "in", ("a", "b")), Is("size", "=", 2)]
    assert sorted(index.keys(several, [], backwards=False)) == ["a", "c", "e"]


def test_a_row_that_does_not_belong_has_no_entry(index: SortedIndex) -> None:
    assert index.entry(row("x", None, 1)) is None
    index.replace(index.entry(ROWS[0]), None)
    assert list(index.keys([Is("kind", "=", "a")], [Is("size", ">", 2)], backwards=False)) == []


def test_a_unique_index_refuses_a_value_that_another_row_has() -> None:
    index = SortedIndex(TABLE, Index("one", ("kind",), unique=True))
    index.replace(None, index.entry(row("a", "x", 1)))
    assert index.refuses(index.entry(row("b", "x", 2)))
    assert not index.refuses(index.entry(row("b", "y", 2)))


@pytest.mark.parametrize(
    ("where", "keys"),
    [
        (Is("size", "!=", 2), "d"),
        (Is("size", "not in", (2,)), "d"),
        (Is("size", "!=", None), "dceaf"),
        (Either((Is("size", "=", None), Is("kind", "=", "b"))), "be"),
        (Both((Is("size", "in", (2, 3)), Is("kind", "=", None))), "f"),
    ],
)
def test_a_comparison_with_null_holds_for_none(where: Any, keys: str) -> None:
    assert {each["id"] for each in ROWS if met(each, where)} == set(keys)
