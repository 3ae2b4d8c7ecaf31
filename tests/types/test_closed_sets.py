"""Whether a name that is none of a closed set fails the type check."""

from __future__ import annotations

from tests.types.conftest import PROGRAMS, Errors, marked


def test_a_misspelt_name_fails_the_type_check(errors: Errors) -> None:
    program = PROGRAMS / "closed_sets.py"
    wrong = marked(program)
    assert len(wrong) == 9
    assert {place for place in errors if place[0] == program.name} == wrong
