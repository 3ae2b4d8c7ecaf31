"""Say which keys sp00ky.yml has, what reads them, what is other tools', and what a misspelt one was to be.

To add a key, add a field with ``metadata=key(...)`` to a class of ``settings``. Reading and writing go
through the same fields, so what is dumped can be loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Key:
    """A key as it is written, and what reads its value.

    Attributes:
        read: Reads the value; a class of ``settings`` reads a mapping.
        places: Dotted, inside the mapping of the field's class. The first that is there counts.
        needed: Enqueueing needs it too. Of another, a variable may be unset where no runner is.
        secret: It may be ``{vault: NAME}``.
        switch: True and false may stand for the mapping: all defaults, and None.
        unset: What a required key has while its variable isn't set.
    """

    read: Any
    places: tuple[str, ...] = ()
    needed: bool = False
    secret: bool = False
    switch: bool = False
    unset: Any = None


def key(read: Any, *places: str, **traits: Any) -> dict[Any, Key]:
    """Return a field's metadata: its ``Key``, whose place is by default the field's name in camel case."""
    return {Key: Key(read=read, places=places, **traits)}


def keys_of(section: type) -> Mapping[str, Key]:
    """Return the keys that a class is read from, by the field's name."""
    found = {field.name: field.metadata[Key] for field in attrs.fields(section) if Key in field.metadata}
    return {name: attrs.evolve(each, places=each.places or (_camel(name),)) for name, each in found.items()}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def written_keys(section: type, kind: str) -> Mapping[str, tuple[str, ...]]:
    """Return the keys of a class's mapping, and of the mappings inside it that have no class of their own."""
    found: dict[str, list[str]] = {"": [*_BESIDE.get(kind, ())]}
    for each in keys_of(section).values():
        for within, _, name in (place.rpartition(".") for place in each.places):
            if within not in found:
                found[""].append(within)
                found[within] = ["type"] if within in TYPES else []
            found[within].append(name)
    return {within: tuple(dict.fromkeys(names)) for within, names in found.items()}


_BESIDE = {"": ("backends", "apps", "schedules", "workflows"), "backend": ("type",)}
"""Keys that are no field's."""

TYPES: Mapping[str, str] = {"method": "outbox", "auth": "token"}
"""Mappings with a ``type``, and its value where they don't say; the only one, unless a field reads it."""

OPEN = frozenset({"", "backend", "backend.method", "backend.deploy", "surrealdb"})
"""Mappings that other tools have keys in too; in all others an unknown key is an error."""

FOREIGN: Mapping[str, frozenset[str] | None] = {
    "": frozenset(
        {
            *("mode", "slug", "version", "schema", "pools", "machines", "buckets", "clientTypes", "push"),
            *("deployment", "cloudApi", "migrationEngine", "surrealkit", "migrate", "logLevel", "refMode"),
            *("anonymousLiveQueries", "sync", "impersonation"),
        }
    ),
    "retention": frozenset({"maxRows", "mode"}),
    "backend": frozenset({"path", "scope", "hosting", "hosts", "runOn", "dev", "env"}),
    "backend.deploy": None,
    "surrealdb": None,
}
"""Keys that are known to be other tools', about which nothing is said; None: all that aren't ours.

By the mapping's dotted place, with ``backend`` for any backend's; empty: the whole file.
"""

_NEAR = 0.75
"""Of difflib's ratio: at least so much of a key is the same as in ours."""

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
