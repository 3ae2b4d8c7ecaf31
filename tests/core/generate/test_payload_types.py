"""What a payload of any document may have is what the explicit form takes."""

from __future__ import annotations

import pytest

from sp00ky_core import generate
from sp00ky_core.contract.operation import RESERVED

PARTS = [name for name in generate.__all__ if name.startswith("Explicit")]


@pytest.mark.parametrize("name", PARTS)
def test_an_explicit_payload_has_one_part_that_is_there(name: str) -> None:
    kind = getattr(generate, name)
    part = f"${name.removeprefix('Explicit').lower()}"
    assert set(kind.__annotations__) == RESERVED
    assert kind.__required_keys__ == {part}


def test_each_part_that_may_stand_alone_has_its_type() -> None:
    assert {f"${name.removeprefix('Explicit').lower()}" for name in PARTS} == RESERVED - {"$contentType"}
