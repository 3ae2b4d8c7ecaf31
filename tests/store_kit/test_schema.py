"""The tables as they are declared."""

import pytest

from sp00ky_store_kit.schema import (
    AUDITS,
    BREAKERS,
    CONTROLS,
    MIGRATIONS,
    ROLLUPS,
    RUNNERS,
    Kind,
    Table,
    job_table,
)

TABLES = [
    job_table("job"),
    RUNNERS,
    BREAKERS,
    CONTROLS,
    AUDITS,
    MIGRATIONS,
    ROLLUPS,
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_keys_and_indexes_are_of_its_columns(table: Table) -> None:
    columns = {column.name for column in table.columns}
    assert len(columns) == len(table.columns)
    assert set(table.key) <= columns
    for index in table.indexes:
        assert set(index.columns) <= columns
        assert {condition.column for condition in index.where} <= columns
    names = {table.index_name(index) for index in table.indexes}
    assert len(names) == len(table.indexes)


def test_a_former_index_is_none_that_is_declared() -> None:
    for table in TABLES:
        assert table.former_indexes().isdisjoint(map(table.index_name, table.indexes))
    assert job_table("job").former_indexes() == {"job_due_idx"}


def test_what_is_a_key_or_indexed_has_a_length() -> None:
    """A database such as MySQL can't index text without one."""
    for table in TABLES:
        indexed = {*table.key, *(name for index in table.indexes for name in index.columns)}
        texts = [column for column in table.columns if column.kind is Kind.TEXT and column.name in indexed]
        assert all(text.length for text in texts), table.name


def test_what_is_indexed_together_fits_a_key_of_mysql() -> None:
    """InnoDB's have 3,072 bytes, and utf8mb4 four for a character."""
    for table in TABLES:
        sizes = {
            column.name: 4 * (column.length or 0) if column.kind is Kind.TEXT else 8
            for column in table.columns
        }
        for columns in (table.key, *(index.columns for index in table.indexes)):
            if "assigned_to" not in columns:  # an adapter indexes its beginning
                assert sum(sizes[name] for name in columns) <= 3_072, (table.name, columns)
