"""Turn mappings of sp00ky.yml into the classes of ``model``, with the dotted key of what is wrong.

To add a key, add a field with ``metadata=key(...)`` to a class of ``model``. Reading and writing go
through the same fields, so what is dumped can be loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self, TypeVar

import attrs

from sp00ky_core.config.values import (
    ReadProblem,
    VariableProblem,
    VariableUnset,
    expanded,
    from_vault,
    path,
    secret,
    text,
)
from sp00ky_core.error_texts import EXTENSIONS, nearest
from sp00ky_openapi.yaml_text import YamlProblem, read_yaml

__all__ = ["Finding", "KeyProblem", "SectionReader", "camel", "key", "keys_of", "mapping_in"]

Section = TypeVar("Section", bound=attrs.AttrsInstance)


@attrs.frozen(kw_only=True)
class Key:
    """A key as it is written, and what reads its value.

    Attributes:
        read: Reads the value; a class of ``model`` reads a mapping.
        places: Dotted, inside the mapping of the field's class. The first that is there counts.
        needed: Enqueueing needs it too. Of another, a variable may be unset where no runner is.
        secret: It may be ``{vault: NAME}``.
        each: Not it, but each value of the mapping that it is.
        shorthand: Reads the text, the number or the boolean that may stand for the mapping.
        unset: What a required key has while its variable isn't set.
    """

    read: Any
    places: tuple[str, ...] = ()
    needed: bool = False
    secret: bool = False
    each: bool = False
    shorthand: Callable[[Any], Any] | None = None
    unset: Any = None


def key(read: Any, *places: str, **traits: Any) -> dict[Any, Key]:
    """Return a field's metadata: its ``Key``, whose place is by default the field's name in camel case."""
    return {Key: Key(read=read, places=places, **traits)}


def keys_of(section: type) -> Mapping[str, Key]:
    """Return the keys that a class is read from, by the field's name."""
    keys = {field.name: field.metadata[Key] for field in attrs.fields(section) if Key in field.metadata}
    return {name: attrs.evolve(key, places=key.places or (camel(name),)) for name, key in keys.items()}


def camel(name: str) -> str:
    """Spell a name as sp00ky.yml does: ``base_url`` is ``baseUrl``."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def written_keys(section: type, kind: str, beside: Iterable[str] = ()) -> Mapping[str, tuple[str, ...]]:
    """Return the keys of a class's mapping, and of the mappings inside it that have no class of their own.

    ``beside`` are others that may stand in it, which something else reads.
    """
    names: dict[str, list[str]] = {"": [*_BESIDE.get(kind, ()), *beside]}
    for place in (place for key in keys_of(section).values() for place in key.places):
        within, _, name = place.rpartition(".")
        if within not in names:
            names[""].append(within)
            names[within] = ["type"] if within in TYPES else []
        names[within].append(name)
    return {within: tuple(dict.fromkeys(listed)) for within, listed in names.items()}


_BESIDE = {"": ("backends", "apps", *EXTENSIONS), "backend": ("type",)}
"""Keys that no field of a class is read from."""

TYPES: Mapping[str, str] = {"method": "outbox"}
"""Mappings with a ``type`` that no field reads, and its only value."""

FOREIGN: Mapping[str, frozenset[str] | None] = {
    "": frozenset(
        {
            *("mode", "slug", "version", "schema", "pools", "machines", "buckets", "clientTypes", "push"),
            *("deployment", "cloudApi", "migrationEngine", "surrealkit", "migrate", "logLevel", "refMode"),
            *("anonymousLiveQueries", "sync", "impersonation", "devApp"),
        }
    ),
    "backend": frozenset({"path", "scope", "hosting", "hosts", "dev", "devApp", "env"}),
    "backend.method": frozenset(),
    "backend.deploy": None,
    "backend.runOn": None,
    "surrealdb": None,
}
"""Keys that are known to be other tools', about which nothing is said; None: all that aren't ours.

By the dotted place of a mapping that other tools have keys in too, with ``backend`` for any backend's; empty:
the whole file. In all other mappings an unknown key is an error.
"""

_NEAR = 0.75
"""How alike a key and one of ours must be, by difflib's ratio, for the one to be a misspelling of the
other."""

_OTHERS = frozenset({"app", "storage"})
"""Other tools' own keys that happen to be near one of this outbox."""


def near_miss(key: object, ours: Iterable[str]) -> str | None:
    """Return which of our keys this one was probably meant to be; None for one of another tool."""
    if not isinstance(key, str) or key in _OTHERS:
        return None
    plain = {_plain(own): own for own in ours}
    close = get_close_matches(_plain(key), plain, n=1, cutoff=_NEAR)
    return plain[close[0]] if close else None


def _plain(key: str) -> str:
    return "".join(filter(str.isalnum, key.casefold()))


@attrs.frozen(kw_only=True)
class Finding:
    """Something about the configuration or the database that ``check`` has to say.

    Attributes:
        stops_jobs: Jobs aren't made or delivered that should be; else it is a warning.
        subject: A dotted key of sp00ky.yml, a table, a field, an index.
        problem: What is wrong, in words.
        consequence: What follows from it.
        fix: What to do about it.
        breaks_promise: Somebody may break what is promised of jobs; they are delivered all the same.
    """

    stops_jobs: bool
    subject: str
    problem: str
    consequence: str
    fix: str
    breaks_promise: bool = False

    @property
    def is_error(self) -> bool:
        """Whether ``check`` exits 1 for it."""
        return self.stops_jobs or self.breaks_promise

    @property
    def awaits_migration(self) -> bool:
        """Whether ``sp00ky migrate`` is what mends it."""
        return self.fix.endswith("sp00ky migrate")

    @property
    def is_granted(self) -> bool:
        """Whether a right is what mends it."""
        return self.fix.startswith("GRANT ")

    @property
    def place(self) -> tuple[bool, bool]:
        """Its place among others: what a migration mends is first, for others may come of it; then errors."""
        return not self.awaits_migration, not self.is_error

    @classmethod
    def stopping(cls, subject: str, problem: str, consequence: str, fix: str) -> Self:
        """Report what keeps jobs from being made or delivered."""
        return cls(stops_jobs=True, subject=subject, problem=problem, consequence=consequence, fix=fix)

    @classmethod
    def promise(cls, subject: str, problem: str, consequence: str, fix: str) -> Self:
        """Report how somebody may break what is promised of jobs, which are delivered all the same."""
        return attrs.evolve(cls.warning(subject, problem, consequence, fix), breaks_promise=True)

    @classmethod
    def warning(cls, subject: str, problem: str, consequence: str, fix: str) -> Self:
        """Report a weakness that jobs are delivered with."""
        return cls(stops_jobs=False, subject=subject, problem=problem, consequence=consequence, fix=fix)


@attrs.define(eq=False)
class KeyProblem(Exception):
    """Say what is wrong, and with which dotted key (empty: with the mapping itself).

    Attributes:
        key: The dotted key.
        problem: What is wrong, in words.
    """

    key: str
    problem: str


def mapping_in(file: Path, expected: str, *, at: str = "", where: str = "", hint: str = "") -> dict[Any, Any]:
    """Read the mapping in a file.

    Args:
        file: The file.
        expected: What the mapping is, where it is none.
        at: The dotted key that names the file.
        where: What a problem's text begins with.
        hint: What the text ends with where the file can't be read.

    Raises:
        KeyProblem: it can't be read, or holds no mapping.
    """
    try:
        mapping = read_yaml(file)
    except YamlProblem as error:
        raise KeyProblem(at, f"{where}{error}{hint}") from None
    if not isinstance(mapping, dict):
        raise KeyProblem(at, f"{where}expected a mapping{expected}")
    return mapping


class SectionReader:
    """Read sections; gather what deserves a warning, and variables that aren't set.

    Without an environment texts are as they are: ``${VAR}`` is no variable.

    Attributes:
        notices: keys without effect.
        unset: dotted keys whose variable isn't set, with the problem.
    """

    def __init__(self, environ: Mapping[str, str] | None) -> None:
        self.notices: list[Finding] = []
        self.unset: dict[str, str] = {}
        self._environ = environ

    def read(
        self,
        raw: Any,
        section: type[Section],
        at: str,
        kind: str,
        beside: Iterable[str] = (),
        **given: Any,
    ) -> Section:
        """Make an instance of a class of ``model`` from the mapping ``at`` a dotted key.

        ``kind`` is one of ``keys.FOREIGN``, ``beside`` are keys that something else reads; ``given`` is what
        fields have whose key isn't written, or that have none. Raises ``KeyProblem``.
        """
        written = self._written(raw, at, kind, written_keys(section, kind, beside))
        keys = keys_of(section)
        for name, key in keys.items():
            values = [
                value
                for place in key.places
                if place in written
                for value in self._values(written[place], key, _dotted(at, place), _dotted(kind, place))
            ]
            if values:
                given[name] = values[0]
        for field in attrs.fields(section):
            if field.name in keys and field.name not in given and field.default is attrs.NOTHING:
                raise KeyProblem(at, f"it has no `{keys[field.name].places[0]}`")
        return section(**given)

    def text_of(self, raw: Any) -> str:
        """Return a text with its variables expanded; empty where it is none, or one isn't set."""
        try:
            value = raw if self._environ is None else expanded(raw, self._environ)
        except VariableProblem:
            return ""
        return value if isinstance(value, str) else ""

    def _written(self, raw: Any, at: str, kind: str, keys: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
        """Return what a mapping and those inside it hold, by dotted key; all their keys are checked."""
        values: dict[str, Any] = {"": raw}
        for within, ours in keys.items():
            mapping, here = values.get(within), _dotted(at, within)
            if mapping is None:
                continue  # a mapping whose every line is commented out
            if not isinstance(mapping, dict):
                raise KeyProblem(here, f"expected a mapping ({', '.join(ours)})")
            self._check_keys(mapping, ours, here, _dotted(kind, within))
            word = TYPES.get(within)
            if word and mapping.get("type", word) != word:
                raise KeyProblem(f"{here}.type", f"expected {word}")  # it may be a token on the wrong line
            values |= {_dotted(within, name): mapping[name] for name in ours if name in mapping}
        return values

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
        if key.each and isinstance(raw, dict):
            return {name: self._expanded(value, attrs.evolve(key, each=False)) for name, value in raw.items()}
        return from_vault(raw, self._environ) if key.secret else expanded(raw, self._environ)

    def _check_keys(self, mapping: Mapping[Any, Any], ours: Iterable[str], at: str, kind: str) -> None:
        """Refuse an unknown key where none may be, and a misspelt one; take note of other unknown ones."""
        foreign = FOREIGN.get(kind, frozenset())
        for key in mapping:
            if key in ours or key in (foreign or ()):
                continue
            if kind not in FOREIGN:
                # Not quoted in `auth`: it may be the token itself.
                named = "" if kind == "backend.auth" else f" {key!r:.80}"
                raise KeyProblem(at, f"unknown key{named}; {nearest(str(key), ours)}")
            if meant := near_miss(key, ours):
                problem = f"unknown key {key!r:.80}; did you mean {meant!r}? Rename it, or remove it"
                raise KeyProblem(at, problem)
            if foreign is not None:
                facts = ("it has no effect here", "remove it, unless another tool reads it")
                subject = _dotted(at, f"{key!s:.80}")
                self.notices.append(Finding.warning(subject, "an unknown key", *facts))


def _dotted(*keys: str) -> str:
    return ".".join(filter(None, keys))


def _literal(raw: Any, key: Key) -> str:
    """Say how the text itself is written, where a value may hold such a text."""
    is_likely = isinstance(raw, str) and key.read in (text, path, secret)
    return " (where no variable is meant: a plain ${ is written $${)" if is_likely else ""
