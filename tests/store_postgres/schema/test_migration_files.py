"""The numbered migrations: each statement only adds, and says what its absence means."""

import re

import pytest

from sp00ky_store_postgres.schema.definition import VERSION
from sp00ky_store_postgres.schema.migrate import Statement, statements

DROPPED = re.compile(
    r"DROP INDEX {{concurrently}}IF EXISTS {{qualified}}|DROP (CONSTRAINT|TRIGGER) IF EXISTS {{name}}"
)
ALL = statements()
OF_TABLES = [statement for statement in ALL if not statement.is_shared]


def test_the_last_version_is_that_of_the_tables() -> None:
    assert max(statement.version for statement in ALL) == VERSION
    versions = [statement.version for statement in ALL]
    assert versions == sorted(versions)
    assert set(versions) == set(range(1, VERSION + 1))


@pytest.mark.parametrize(
    "statement", ALL, ids=[f"{statement.version} {statement.kind} {statement.name}" for statement in ALL]
)
def test_a_statement_only_adds_and_says_what_its_absence_means(statement: Statement) -> None:
    assert statement.without
    text = DROPPED.sub("", statement.text) if statement.kind == "dropped" else statement.text
    assert not re.search(r"\b(DROP|DELETE|TRUNCATE|RENAME|OVERWRITE)\b", text)
    assert not statement.text.endswith(";")


@pytest.mark.parametrize(
    "statement", [statement for statement in ALL if statement.kind in {"index", "unique"}]
)
def test_an_index_can_be_made_while_writers_go_on(statement: Statement) -> None:
    assert "INDEX {{concurrently}}{{name}} ON" in statement.text


@pytest.mark.parametrize("statement", [statement for statement in ALL if statement.kind == "dropped"])
def test_what_is_dropped_is_so_after_what_takes_its_place_and_made_by_no_migration(
    statement: Statement,
) -> None:
    assert DROPPED.search(statement.text)
    earlier = OF_TABLES[: OF_TABLES.index(statement)]
    before = [other for other in earlier if other.kind != "dropped"]
    assert before[-1].kind in {"index", "validated", "trigger"}
    made = {other.name for other in ALL if other.kind in {"index", "unique", "check"}}
    assert statement.name not in made
