"""Mappings of sp00ky.yml -> attrs classes, strictly, with the dotted key of what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

from sp00ky_core.config.nearmiss import near_miss
from sp00ky_core.config.readers import ReadProblem, boolean
from sp00ky_core.config.variables import VariableProblem, expanded
from sp00ky_core.config.written import SECTIONS, Key, Section

__all__ = ["KeyProblem", "section_reader", "refuse_near_misses"]


@attrs.define(eq=False)
class KeyProblem(Exception):
    """What is wrong, and with which dotted key (empty: with the mapping itself)."""

    key: str
    problem: str


def section_reader(environ: Mapping[str, str]) -> Callable[[Any, type], Any]:
    """A function that makes one of ``SECTIONS`` from a mapping, with variables from ``environ``.

    It raises ``KeyProblem`` for the first thing that is wrong.
    """
    converter = cattrs.Converter(detailed_validation=True)
    for cls, keys in SECTIONS.items():
        converter.register_structure_hook(cls, _structure(converter, cls, keys, environ))

    def read(value: Any, into: type) -> Any:
        try:
            return converter.structure(value, into)
        except cattrs.ClassValidationError as error:
            raise _first(error) from None
        except ReadProblem as error:
            raise KeyProblem("", str(error)) from None

    return read


def _structure(
    converter: cattrs.Converter, cls: type, keys: Mapping[str, Key], environ: Mapping[str, str]
) -> Callable[[Any, Any], Any]:
    overrides = {
        attribute: override(rename=key.name, struct_hook=_value_reader(converter, key, environ))
        for attribute, key in keys.items()
    }
    fill: Callable[[Any, Any], Any] = make_dict_structure_fn(cls, converter, **overrides)  # type: ignore[arg-type]  # cls is an attrs class; its other keywords are booleans

    def structure(value: Any, _: Any) -> Any:
        if value is None:
            value = {}  # a section whose every line is commented out
        if not isinstance(value, dict):
            raise ReadProblem(f"expected a mapping ({', '.join(key.name for key in keys.values())})")
        refuse_near_misses(value, [key.name for key in keys.values()])
        return fill(value, cls)

    return structure


def _value_reader(
    converter: cattrs.Converter, key: Key, environ: Mapping[str, str]
) -> Callable[[Any, Any], Any]:
    reader = key.read
    if not isinstance(reader, Section):
        return lambda value, _: reader(expanded(value, environ))
    section = reader

    def read(value: Any, _: Any) -> Any:
        if section.switch and isinstance(value := expanded(value, environ), str | bool):
            return section.into() if boolean(value) else None
        return converter.structure(value, section.into)

    return read


def refuse_near_misses(section: Mapping[Any, Any], ours: list[str]) -> None:
    """Raises ``ReadProblem`` for a key that is nearly one of ours; all others may be other tools'."""
    for key in section:
        meant = None if key in ours else near_miss(key, ours)
        if meant:
            raise ReadProblem(f"unknown key {key!r}; did you mean {meant!r}? Rename it, or remove it")


def _first(error: cattrs.ClassValidationError) -> KeyProblem:
    """The first problem of a tree of them, with the keys on the way to it."""
    keys = SECTIONS.get(error.cl, {})
    within, others = error.group_exceptions()
    if not within:
        raise others[0]
    cause, note = within[0]
    name = keys[note.name].name if note.name in keys else note.name
    if isinstance(cause, cattrs.ClassValidationError):
        inner = _first(cause)
        return KeyProblem(f"{name}.{inner.key}".rstrip("."), inner.problem)
    if isinstance(cause, KeyError):  # raised for a key that isn't there; readers never raise it
        return KeyProblem(name, "it is missing; add it")
    if isinstance(cause, ReadProblem | VariableProblem):
        return KeyProblem(name, str(cause))
    raise cause
