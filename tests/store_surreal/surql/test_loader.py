"""Statements stand in files, and names are quoted before they stand in one."""

import re

import pytest

from sp00ky_store_surreal.schema.schema_files import steps_of
from sp00ky_store_surreal.surql.loader import _included, quoted, statements, surql

NAMES = sorted(statements())
PLACE = re.compile(r"@(\w+)@")


@pytest.mark.parametrize("name", NAMES)
def test_each_statement_can_be_loaded(name: str) -> None:
    statement = surql(name, **dict.fromkeys(PLACE.findall(_included(name)), "filled_in"))
    assert statement.strip()
    assert "@" not in statement
    assert "-- " not in statement


def test_a_name_that_nothing_fills_is_an_error() -> None:
    with pytest.raises(KeyError):
        surql("claim_due_ids")


def test_a_schema_s_steps_have_their_reasons() -> None:
    steps = steps_of("job_additions", table="job", length="", result="", beside_writers="")
    assert steps
    assert all(statement.startswith("DEFINE") and why for statement, why in steps)


@pytest.mark.parametrize("name", ["job", "Job_2", "1job", "a-b", "é"])
def test_a_table_s_name_is_quoted(name: str) -> None:
    assert quoted(name) == f"`{name}`"
