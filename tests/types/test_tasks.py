"""Whether a call of a function as a job is held against the function's own signature."""

from __future__ import annotations

from tests.types.conftest import PROGRAMS, Errors, marked


def test_a_wrong_argument_fails_the_type_check(errors: Errors) -> None:
    program = PROGRAMS / "tasks.py"
    wrong = marked(program)
    assert len(wrong) == 9
    assert {place for place in errors if place[0] == program.name} == wrong
