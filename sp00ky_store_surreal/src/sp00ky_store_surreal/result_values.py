"""Turn an answer's JSON into what a table's field ``result`` takes: the value itself, or its text."""

from __future__ import annotations

import re
from typing import Any

import attrs

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.job.options import is_plain_text
from sp00ky_store_surreal.connection.reply import JSON_NULL

DEEPEST = 64
"""Values in values: what is nested deeper is kept as text."""

_NAMES: dict[type, frozenset[str]] = {
    dict: frozenset({"object"}),
    list: frozenset({"array"}),
    str: frozenset({"string"}),
    bool: frozenset({"bool"}),
    int: frozenset({"int", "number"}),
    float: frozenset({"float", "number"}),
}
"""Which types of a field take a value."""


@attrs.frozen(kw_only=True)
class ResultField:
    """Knows the values that a table's ``result`` takes.

    Attributes:
        kinds: Names of the types in its definition; ``any`` takes everything.
        keeps_objects: Whether an object in it keeps its fields.
    """

    kinds: frozenset[str]
    keeps_objects: bool

    @classmethod
    def of_type(cls, kind: str, *, keeps_objects: bool) -> ResultField:
        """Read a type as the database prints it; a field without one takes everything."""
        return cls(
            kinds=frozenset(re.findall(r"[a-z]+", kind)) or frozenset({"any"}), keeps_objects=keeps_objects
        )

    def value_of(self, result_json: bytes | None) -> Any:
        """Return what to bind for an answer; None: nothing is to be written."""
        if result_json is None:
            return None
        text = result_json.decode(errors="replace")
        if self == TEXT:
            return text
        try:
            value = decode(text)
            if value is None:
                return None
            return _bound(value, DEEPEST) if self._takes(value) else text
        except ValueError:
            return text

    def _takes(self, value: Any) -> bool:
        if isinstance(value, dict | list) and not self.keeps_objects:
            return False
        return "any" in self.kinds or not self.kinds.isdisjoint(_NAMES[type(value)]) or not self._takes_text

    @property
    def _takes_text(self) -> bool:
        return "string" in self.kinds


TEXT = ResultField(kinds=frozenset({"string"}), keeps_objects=False)
"""Of a table whose ``result`` is text, as ``migrate`` defines it."""


def _bound(value: Any, depth: int) -> Any:
    """Put the database's NULL for None in a value. Raises ``ValueError`` for what it wouldn't give back."""
    if depth == 0:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {_bound(key, 1): _bound(each, depth - 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_bound(each, depth - 1) for each in value]
    if isinstance(value, str) and not is_plain_text(value):
        raise ValueError("text that not every reply can hold")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("beyond 64 bits")
    return JSON_NULL if value is None else value
