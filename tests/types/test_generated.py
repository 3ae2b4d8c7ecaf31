"""Whether a generated module finds what is wrong with a call, and passes itself, whatever it is made of."""

from __future__ import annotations

import pytest
from tests.types.conftest import PROGRAMS, Errors, marked


def test_a_wrong_call_fails_the_type_check(errors: Errors) -> None:
    program = PROGRAMS / "generated.py"
    wrong = marked(program)
    assert len(wrong) == 30
    assert {place for place in errors if place[0] == program.name} == wrong


@pytest.mark.parametrize("module", ["typed_outbox.py", "hostile_outbox.py"])
def test_a_generated_module_passes_the_type_check(errors: Errors, module: str) -> None:
    assert {place for place in errors if place[0] == module} == set()
