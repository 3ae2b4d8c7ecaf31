"""Import what a plugin brings when it is used: each command looks for plugins, and needs few of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from sp00ky_core.error_texts import refuse_former_name

__all__ = ["deferred", "deferred_names"]


def deferred(name: str) -> Callable[..., Any]:
    """Return what calls a function, or makes one of a class, ``MODULE:NAME``, which is imported by then."""
    module, _, attribute = name.partition(":")

    def called(*arguments: Any, **options: Any) -> Any:
        return getattr(import_module(module), attribute)(*arguments, **options)

    return called


def deferred_names(package: str, **modules: str) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package: it imports a name, asked for, from its module below there."""

    def named(name: str) -> Any:
        if name not in modules:
            refuse_former_name(package, name)
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return named
