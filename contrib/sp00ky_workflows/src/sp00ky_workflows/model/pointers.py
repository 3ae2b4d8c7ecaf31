"""Find the references to results in a payload, and put the results in their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sp00ky_core.encoding.json_bytes import steps_of

__all__ = ["FROM", "INPUT", "ITEM", "PointerUnmatched", "pointed_at", "reference", "resolved", "sources"]

FROM = "$from"
"""The only key of an object that stands for a value from elsewhere."""
INPUT, ITEM = "input", ""
"""What references name that are to the workflow's input, and to the item of ``for_each``."""


class PointerUnmatched(LookupError):
    """A reference leads to nothing in the value that it points into."""


def reference(source: str, pointer: str = "") -> dict[str, str]:
    """Return what stands in a payload for a value from elsewhere. Raises ``ValueError``."""
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"the pointer {pointer!r} doesn't begin with /")
    return {FROM: f"{source}{pointer}"}


def split(text: str) -> tuple[str, str]:
    """Cut a reference into what it is of, and the pointer into that."""
    source, slash, rest = text.partition("/")
    return source, f"{slash}{rest}"


def _is_reference(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) == 1 and isinstance(value.get(FROM), str)


def sources(value: Any) -> Iterator[str]:
    """Yield what each reference in a payload is of: a step, ``INPUT``, or ``ITEM``."""
    if _is_reference(value):
        yield split(value[FROM])[0]
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from sources(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from sources(part)


def resolved(value: Any, values: Mapping[str, Any]) -> Any:
    """Return a payload with each reference replaced. Raises ``PointerUnmatched``."""
    if _is_reference(value):
        source, pointer = split(value[FROM])
        if source not in values:
            raise PointerUnmatched(f"{value[FROM]!r}: there is no {source or 'item'!r} to take it from")
        return pointed_at(values[source], pointer, value[FROM])
    if isinstance(value, Mapping):
        return {key: resolved(part, values) for key, part in value.items()}
    return [resolved(part, values) for part in value] if isinstance(value, list | tuple) else value


def pointed_at(value: Any, pointer: str, named: str) -> Any:
    """Return what a JSON pointer leads to. Raises ``PointerUnmatched``, which says how it is ``named``."""
    for step in steps_of(pointer):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise PointerUnmatched(f"{named!r} matches nothing: there is no {step!r}")
    return value
