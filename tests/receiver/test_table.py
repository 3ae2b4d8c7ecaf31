"""The table's statements can be run again and again."""

import sqlite3

import psycopg
from tests.receiver.stacks import Place

from sp00ky_receiver import table_statements


def test_a_migration_can_be_repeated(place: Place) -> None:
    with psycopg.connect(place.postgres) as connection, sqlite3.connect(place.sqlite) as file:
        for statement in table_statements("postgresql"):
            connection.execute(statement.encode())
        for statement in table_statements("sqlite"):
            file.execute(statement)
    file.close()


def test_a_statement_is_one() -> None:
    for statement in (*table_statements("postgresql"), *table_statements("sqlite")):
        assert statement.startswith("CREATE ")
        assert ";" not in statement
        assert "--" not in statement
