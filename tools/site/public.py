"""List every public name of the distributions, its definition and its docstring, as griffe reads the sources.

Public is what a public room's ``__all__`` declares: a distribution's package, and in the core and the
conformance kit its own modules and packages too. Hooks are public by their mark.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import griffe

from tools.sources import distributions

__all__ = ["first_line", "names", "rooms", "undocumented"]

KITS = ("sp00ky_core", "sp00ky_openapi", "sp00ky_conformance")
"""Packages whose rooms are public as well; of others it is what the package itself exports."""

DEEPER = (
    *(f"sp00ky_core.job.{name}" for name in ("job", "options", "outcome", "retry", "state_machine")),
    "sp00ky_core.backend.backend",
    "sp00ky_core.outbox.enqueue",
    "sp00ky_core.outbox.outbox",
    "sp00ky_core.plugins.hookspecs",
    "sp00ky_store_kit",
    "sp00ky_django.testing",
    "sp00ky_transport_asgi.guard",
)
"""Public rooms inside others, and of distributions whose rooms aren't public as such."""

PRIVATE = ("sp00ky_core.cli",)
"""Rooms whose surface is another one: the command line."""


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
def names(room: str) -> tuple[griffe.Object, ...]:
    """List the definitions of what a room exports, in its order, after its hooks."""
    module = _sources().modules_collection[room]
    hooks = [name for name, function in module.functions.items() if _is_hook(function)]
    exported = (module[str(name)] for name in (*hooks, *module.exports) if name != "__version__")
    return tuple(each.final_target if isinstance(each, griffe.Alias) else each for each in exported)


def _is_hook(function: griffe.Function) -> bool:
    marks = () if function.is_alias else function.decorators
    return any(mark.callable_path.endswith(".hookspec") for mark in marks)


def undocumented() -> list[str]:
    """List the public names whose definition has no docstring, with the place to write it."""
    return sorted({public.path for room in rooms() for public in names(room) if not first_line(public)})


def first_line(public: griffe.Object) -> str:
    """Return the first sentence of a definition's docstring, as one line."""
    text = public.docstring.value if public.docstring else ""
    return " ".join(text.partition("\n\n")[0].split())
