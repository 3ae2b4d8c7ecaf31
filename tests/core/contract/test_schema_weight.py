"""Schemas that double the work of the one before are refused at once; those that only are many, are not."""

from pathlib import Path
from typing import Any

import pytest
from tests.core.contract.small import contract_of, field


def chain(twice: Any, length: int = 40) -> dict[str, Any]:
    """Schemas that each are made of the next one."""
    refs = [{"$ref": f"#/components/schemas/S{number}"} for number in range(1, length + 1)]
    return {"S0": {}} | {f"S{number}": twice(ref) for number, ref in enumerate(refs)} | {f"S{length}": {}}


@pytest.mark.parametrize(
    "twice",
    [
        *(lambda ref, word=word: {word: [ref, ref]} for word in ("allOf", "anyOf", "oneOf")),
        lambda ref: {"if": ref, "then": ref},
        lambda ref: {"not": ref, "allOf": [ref]},
        lambda ref: {"dependentSchemas": {"a": ref, "b": ref}},
    ],
)
def test_what_doubles_is_refused_and_not_tried(tmp_path: Path, twice: Any) -> None:
    """Held against a value, it would take for ever."""
    contract = contract_of(tmp_path, field({"$ref": "#/components/schemas/S0"}), **chain(twice))
    contract.compile()
    assert not contract.operations
    assert "one value is to fit more than 50,000 schemas" in contract.unusable["/x"]


def test_long_chains_circles_and_many_alternatives_are_no_such_work(tmp_path: Path) -> None:
    long = chain(lambda ref: {"allOf": [ref], "properties": {"a": ref, "b": ref}}, 2_000)
    circle = {"anyOf": [{"$ref": "#/components/schemas/Circle"}, {"type": "string"}]}
    many = {"anyOf": [{"const": number} for number in range(10_000)]}
    schema = field({"anyOf": [{"$ref": "#/components/schemas/S0"}, circle, many]})
    contract = contract_of(tmp_path, schema, Circle=circle, **long)
    contract.compile()
    assert list(contract.operations) == ["/x"]
