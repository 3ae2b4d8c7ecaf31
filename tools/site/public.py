"""List every public name of the distributions, its definition and its docstring, as griffe reads the sources.

Public is what a public room's ``__all__`` declares: a distribution's package, and in the core and the
conformance kit its own modules and packages too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import attrs
import griffe

from tools.sources import distributions

__all__ = ["PublicName", "first_line", "names", "rooms", "undocumented"]

KITS = ("sp00ky_core", "sp00ky_conformance")
"""Packages whose rooms are public as well; of others it is what the package itself exports."""

DEEPER = (
    *(f"sp00ky_core.job.{name}" for name in ("job", "options", "outcome", "retry", "state_machine")),
    "sp00ky_core.backend.backend",
    "sp00ky_core.outbox.enqueue",
    "sp00ky_core.outbox.outbox",
    "sp00ky_core.plugins.hookspecs",
    "sp00ky_core.stores.transactional",
    "sp00ky_django.testing",
    "sp00ky_transport_asgi.guard",
)
"""Public rooms inside others, and of distributions whose rooms aren't public as such."""

PRIVATE = ("sp00ky_core.cli",)
"""Rooms whose surface is another one: the command line."""


@attrs.frozen(kw_only=True)
class PublicName:
    """One name that a room exports.

    Attributes:
        room: The module whose ``__all__`` has it.
        name: The name.
        target: The dotted name of its definition.
        text: The definition's docstring; None: it has none.
    """

    room: str
    name: str
    target: str
    text: str | None


@cache
def _sources() -> griffe.GriffeLoader:
    packages = sorted(distributions(), key=lambda package: package.name != KITS[0])
    loader = griffe.GriffeLoader(search_paths=[package.parent for package in packages])
    for package in packages:
        loader.load(package.name)
    return loader


def _candidates() -> Iterator[str]:
    for name, package in _sources().modules_collection.members.items():
        yield name
        if name in KITS:
            yield from sorted(f"{name}.{inner}" for inner in package.modules if not inner.startswith("_"))
        yield from (room for room in DEEPER if room.startswith(f"{name}."))


def rooms() -> list[str]:
    """List the public modules, each package before its rooms."""
    rooms = [name for name in _candidates() if _sources().modules_collection[name].exports]
    return [name for name in dict.fromkeys(rooms) if name not in PRIVATE]


@cache
def names(room: str) -> tuple[PublicName, ...]:
    """List what a room exports, in its order."""
    module = _sources().modules_collection[room]
    exported = [str(name) for name in module.exports if name != "__version__"]
    return tuple(_public(room, module[name]) for name in exported)


def _public(room: str, member: griffe.Object | griffe.Alias) -> PublicName:
    definition = member.final_target if isinstance(member, griffe.Alias) else member
    text = definition.docstring.value if definition.docstring else None
    return PublicName(room=room, name=member.name, target=definition.path, text=text)


def undocumented() -> list[str]:
    """List the public names whose definition has no docstring, with the place to write it."""
    bare = {public.target for room in rooms() for public in names(room) if not (public.text or "").strip()}
    return sorted(bare)


def first_line(text: str | None) -> str:
    """Return a docstring's first sentence, as one line."""
    return " ".join((text or "").partition("\n\n")[0].split())
