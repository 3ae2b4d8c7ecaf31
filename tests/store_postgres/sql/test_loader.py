"""Statements are filled in one pass, and names and texts are quoted whatever they hold."""

from __future__ import annotations

import pytest

from sp00ky_store_postgres.sql.loader import fill, literal, quoted, read_sql


def test_a_statement_comes_without_the_comments_before_it() -> None:
    assert read_sql("claim").startswith("{{share}} AS (")


def test_what_is_filled_in_is_not_filled_again() -> None:
    assert fill("{{a}} {{b}} {{c}}", a="{{b}}", b="2") == "{{b}} 2 {{c}}"


@pytest.mark.parametrize(
    ("names", "expected"), [(("job",), '"job"'), (('a"b', "c.d"), '"a""b"."c.d"')], ids=["one", "two"]
)
def test_names_are_quoted(names: tuple[str, ...], expected: str) -> None:
    assert quoted(*names) == expected


@pytest.mark.parametrize("text", ["it's", "back\\slash", "", "a$do$b"])
async def test_a_literal_is_the_text_under_any_setting(sql: object, text: str) -> None:
    for setting in ("on", "off"):
        await sql.execute(f"SET standard_conforming_strings = {setting}")  # type: ignore[attr-defined]  # asyncpg's
        assert await sql.fetchval(f"SELECT {literal(text)}") == text  # type: ignore[attr-defined]  # asyncpg's
