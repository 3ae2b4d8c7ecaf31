"""Say what to use instead of commands, options, variables and Python names that 0.3 had."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, TypeVar

__all__ = ["DEPRECATED", "FORMER_NAMES", "refuse_former_name", "says_former_names", "who_asks_for"]

FORMER_NAMES: Mapping[str, str] = {
    "sp00ky plan": "docs/retries.md says how long retries last",
    "sp00ky dashboard --user": 'set SP00KY_DASHBOARD_TOKENS="NAME=TOKEN"',
    "SP00KY_DASHBOARD_PASSWORD": 'set SP00KY_DASHBOARD_TOKENS="NAME=TOKEN"',
    "sp00ky_dashboard.BasicAuth": "use TokenAuth({name: token})",
}
"""What to do instead, by the name: as it was typed, or ``Class.attribute``, or ``module.attribute``."""

DEPRECATED: Mapping[str, str] = {"Outbox.redrive": "retry", "SyncOutbox.redrive": "retry"}
"""What an attribute that still works is called now; 0.6 takes the old name away."""

Class = TypeVar("Class", bound=type)


def who_asks_for(name: str) -> str:
    """Return what is said to whoever asks for a name of 0.3; empty where it isn't one that is gone."""
    instead = FORMER_NAMES.get(name)
    return f"{name} is gone since 0.4: {instead}" if instead else ""


def refuse_former_name(module: str, name: str) -> None:
    """Raise ``ImportError`` for a name that a module had; it is what a ``from`` import lets through."""
    if text := who_asks_for(f"{module}.{name}"):
        raise ImportError(text)


def says_former_names(owner: Class) -> Class:
    """Decorate a class: an attribute that it had raises an ``AttributeError`` that names the new one.

    One that is deprecated works, with a ``DeprecationWarning``.
    """
    for whole in (*FORMER_NAMES, *DEPRECATED):
        place, _, name = whole.partition(".")
        if place == owner.__name__:
            setattr(owner, name, _FormerName(whole))
    return owner


class _FormerName:
    """Raises for whoever reads it, or warns; ``hasattr`` says that there is no attribute that is gone."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        new = DEPRECATED.get(self._name)
        if new is None:
            raise AttributeError(who_asks_for(self._name))
        warnings.warn(f"{self._name} is called {new} since 0.4", DeprecationWarning, stacklevel=2)
        return getattr(owner if instance is None else instance, new)
