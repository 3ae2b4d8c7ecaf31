"""Turn mappings of sp00ky.yml into the classes of ``settings``, with the dotted key of what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import attrs

from sp00ky_core.config.keys import FOREIGN, OPEN, TYPES, Key, keys_of, near_miss, written_keys
from sp00ky_core.config.settings import Notice
from sp00ky_core.config.values import ReadProblem, path, secret, text
from sp00ky_core.config.variables import VariableProblem, VariableUnset, expanded, from_vault
from sp00ky_core.hints import nearest

Section = TypeVar("Section")


@attrs.define(eq=False)
class KeyProblem(Exception):
    """Say what is wrong, and with which dotted key (empty: with the mapping itself).

    Attributes:
        key: The dotted key.
        problem: What is wrong, in words.
    """

    key: str
    problem: str


class SectionReader:
    """Reads sections; gathers what deserves a warning, and variables that aren't set.

    Without an environment texts are as they are: ``${VAR}`` is no variable.

    Attributes:
        notices: keys without effect.
        unset: dotted keys whose variable isn't set, with the problem.
    """

    def __init__(self, environ: Mapping[str, str] | None) -> None:
        self.notices: list[Notice] = []
        self.unset: dict[str, str] = {}
        self._environ = environ

    def read(self, raw: Any, section: type[Section], at: str, kind: str, **given: Any) -> Section:
        """Make an instance of a class of ``settings`` from the mapping ``at`` a dotted key.

        ``kind`` is one of ``keys.FOREIGN``; ``given`` are fields without a key. Raises ``KeyProblem``.
        """
        written = self._written(raw, section, at, kind)
        for name, key in keys_of(section).items():
            values = [
                value
                for place in key.places
                if place in written
                for value in self._values(written[place], key, _dotted(at, place), _dotted(kind, place))
            ]
            if values:
                given[name] = values[0]
        self._check_required(section, given, at)
        return section(**given)

    def text_of(self, raw: Any) -> str:
        """Return a text with its variables expanded; empty where it is none, or one isn't set."""
        try:
            value = raw if self._environ is None else expanded(raw, self._environ)
        except VariableProblem:
            return ""
        return value if isinstance(value, str) else ""

    def _check_required(self, section: type, given: Mapping[str, Any], at: str) -> None:
        keys, unset = keys_of(section), attrs.NOTHING
        for each in attrs.fields(section):
            if each.name in keys and each.default is unset and each.name not in given:
                raise KeyProblem(at, f"it has no `{keys[each.name].places[0]}`")

    def _written(self, raw: Any, section: type, at: str, kind: str) -> dict[str, Any]:
        """Return what a mapping and those inside it hold, by dotted key; all their keys are checked."""
        found: dict[str, Any] = {"": raw}
        for within, ours in written_keys(section, kind).items():
            mapping, here = found.get(within), _dotted(at, within)
            if mapping is None:
                continue  # a mapping whose every line is commented out
            if not isinstance(mapping, dict):
                raise KeyProblem(here, f"expected a mapping ({', '.join(ours)})")
            self._check_keys(mapping, ours, here, _dotted(kind, within))
            word = TYPES.get(within)
            is_read = any(f"{within}.type" in key.places for key in keys_of(section).values())
            if word and not is_read and mapping.get("type", word) != word:
                raise KeyProblem(f"{here}.type", f"expected {word}")  # it may be a token on the wrong line
            found |= {_dotted(within, name): mapping[name] for name in ours if name in mapping}
        return found

    def _values(self, raw: Any, key: Key, at: str, kind: str) -> Iterator[Any]:
        """Yield the value of a key; nothing while its variable isn't set."""
        try:
            value = self._expanded(raw, key)
            if key.shorthand is not None and isinstance(value, str | int):
                yield key.shorthand(value)
            elif attrs.has(key.read):
                yield self.read(value, key.read, at, kind)
            else:
                yield key.read(value)
        except VariableUnset as error:
            problem = f"{error}{_literal(raw, key)}"
            if key.needed or attrs.has(key.read):
                raise KeyProblem(at, f"{problem}; set it") from None
            self.unset[at] = problem
            if key.unset is not None:
                yield key.unset
        except (ReadProblem, VariableProblem) as error:
            raise KeyProblem(at, str(error)) from None

    def _expanded(self, raw: Any, key: Key) -> Any:
        if self._environ is None:
            return raw
        return from_vault(raw, self._environ) if key.secret else expanded(raw, self._environ)

    def _check_keys(self, mapping: Mapping[Any, Any], ours: Iterable[str], at: str, kind: str) -> None:
        """Refuse an unknown key where none may be, and a misspelt one; take note of other unknown ones."""
        foreign = FOREIGN.get(kind, frozenset())
        for key in mapping:
            if key in ours or key in (foreign or ()):
                continue
            if kind not in OPEN:
                # Not quoted in `auth`: it may be the token itself.
                named = "" if kind == "backend.auth" else f" {key!r:.80}"
                raise KeyProblem(at, f"unknown key{named}; {nearest(str(key), ours)}")
            if meant := near_miss(key, ours):
                problem = f"unknown key {key!r:.80}; did you mean {meant!r}? Rename it, or remove it"
                raise KeyProblem(at, problem)
            if foreign is not None:
                self.notices.append(_unknown(_dotted(at, f"{key!s:.80}")))


def _unknown(key: str) -> Notice:
    return Notice(
        key=key,
        problem="an unknown key",
        consequence="it has no effect here",
        fix="remove it, unless another tool reads it",
    )


def _dotted(*keys: str) -> str:
    return ".".join(filter(None, keys))


def _literal(raw: Any, key: Key) -> str:
    """Say how the text itself is written, where a value may hold such a text."""
    is_likely = isinstance(raw, str) and key.read in (text, path, secret)
    return " (where no variable is meant: a plain ${ is written $${)" if is_likely else ""
