"""JSON Pointers are written and read as RFC 6901 has it."""

from __future__ import annotations

import pytest

from sp00ky_core.encoding.json_pointer import pointer_of, steps_of


@pytest.mark.parametrize(
    ("steps", "pointer"),
    [([], ""), (["a"], "/a"), (["a", 0, "b"], "/a/0/b"), ([""], "/"), (["a/b", "~1", "~"], "/a~1b/~01/~0")],
)
def test_there_and_back(steps: list[str | int], pointer: str) -> None:
    assert pointer_of(steps) == pointer
    assert steps_of(pointer) == list(map(str, steps))
