"""``${VAR}`` in texts, and names of the vault."""

from typing import Any

import pytest

from sp00ky_core.config.variables import FromVariable, VariableProblem, VariableUnset, expanded, from_vault

ENVIRON = {"A": "1", "B": "${A}", "EMPTY": "", "SP00KY_STORE": "memory://"}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("plain $A", "plain $A"),
        ("${A}", "1"),
        ("x${A}y${EMPTY}", "x1y"),
        ("${B}", "${A}"),
        ("$${A} ${A}", "${A} 1"),
        (["${A}", 2], ["1", 2]),
        (7, 7),
        ({"a": "${A}"}, {"a": "${A}"}),
    ],
)
def test_what_a_text_becomes(value: Any, found: Any) -> None:
    assert expanded(value, ENVIRON) == found


def test_one_variable_alone_may_stand_for_a_number() -> None:
    assert isinstance(expanded("${A}", ENVIRON), FromVariable)
    assert not isinstance(expanded("${A}0", ENVIRON), FromVariable)


@pytest.mark.parametrize(
    ("value", "is_unset", "says"),
    [
        ("${NOPE}", True, "the environment variable NOPE is not set"),
        ("${A", False, "write a variable as"),
        ("${1}", False, "write a variable as"),
        ({"vault": "NOPE"}, True, "NOPE is not set, which the vault's NOPE is read from"),
        ({"vault": "SP00KY_STORE"}, False, "sp00ky's own settings"),
        ({"vault": "A", "x": 1}, False, "expected text, or"),
        ({"vault": 1}, False, "expected text, or"),
    ],
)
def test_what_cannot_be_resolved(value: Any, is_unset: bool, says: str) -> None:
    with pytest.raises(VariableProblem, match=says) as raised:
        from_vault(value, ENVIRON)
    assert isinstance(raised.value, VariableUnset) is is_unset


def test_the_vault_is_the_environment() -> None:
    assert from_vault({"vault": "A"}, ENVIRON) == FromVariable("1")
    assert from_vault("${A}", ENVIRON) == "1"
