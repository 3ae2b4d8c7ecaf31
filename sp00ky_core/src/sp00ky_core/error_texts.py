"""Write values, near misses, ways to install what is missing, and names of 0.3 into the texts of errors."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sp00ky_openapi.near_names import near_miss

__all__ = ["EXTENSIONS", "install_hint", "near_miss", "nearest", "shown"]
__all__ += ["DEPRECATED", "FORMER_NAMES", "former_names", "refuse_former_name", "says_former_names"]
__all__ += ["who_asks_for"]

MOST_NAMES = 10
"""Known names that a message lists; of the others it says how many they are."""

_TOP = ("openapi", "core", "store-kit", "conformance", "store-postgres", "store-surreal", "transport-http")
_AT_THE_TOP = tuple(f"sp00ky-{name}" for name in _TOP)
"""Distributions whose folder is at the top of a clone; the others' are in its ``contrib``."""


_STORES = tuple(f"sp00ky-store-{name}" for name in ("postgres", "surreal", "sqlite", "mysql"))
"""Distributions that need the kit of stores, whose folder has to be named beside theirs."""

EXTENSIONS = {name: f"sp00ky-{name}" for name in ("schedules", "webhooks", "workflows")}
"""Distributions of this project by the keys of sp00ky.yml and the commands that they bring."""


def nearest(name: str, known: Iterable[str]) -> str:
    """End a sentence about an unknown name: with the nearest known one, or all of them."""
    names = sorted(known)
    if hint := near_miss(name, names):
        return hint.removeprefix("; ")
    more = f", and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"known: {', '.join(map(repr, names[:MOST_NAMES]))}{more}" if names else "none is known"


def install_hint(distribution: str) -> str:
    """Say how a distribution of this project is installed: from a clone, until they are published."""
    above = "./" if distribution.startswith(_AT_THE_TOP) else "./contrib/"
    folder = above + distribution.replace("-", "_")
    folder = f"./sp00ky_store_kit {folder}" if distribution.startswith(_STORES) else folder
    folder = f"'{folder}'" if "[" in folder else folder  # brackets are a pattern, for some shells
    until_then = f"pip install {folder}, in a clone of the repository"
    return f"pip install {distribution}, once it is published; until then {until_then}"


def shown(value: object) -> str:
    """Show a value in an error: its ``repr``, cut to 80 characters, fit to be printed; a time as text."""
    try:
        text = str(value) if isinstance(value, datetime | timedelta) else repr(value)
        return text[:80].encode(errors="replace").decode()
    except Exception:  # noqa: BLE001  # an int of more digits than Python writes, a caller's own __repr__
        return type(value).__name__


def _gone(module: str, instead: str, *names: str) -> dict[str, str]:
    return {f"{module}.{name}": instead for name in names}


_OF_SCHEDULES = "import it from sp00ky_schedules; pip install sp00ky-schedules"
_OF_STORE = "what it promised is part of sp00ky_core.ports.Store"
_ERRORS = ("RunUnreadable", "ScheduleInvalid", "ScheduleStopped", "UnknownSchedule")
_ABILITIES = (
    *("Audit", "Breakers", "Checks", "Clears", "Counts", "ErrorGroups", "Limits", "Ordering", "Pauses"),
    *("OverdueClaims", "Retention", "Rewrites", "Rollups", "Runners", "Settings", "ShortIds", "Watch"),
)
_RECORDS = (
    *("MAX_ROWS", "OPEN_RUN", "RunQuery", "RunStatus", "ScheduleChange", "ScheduleRun", "ScheduleSnapshot"),
    *("Schedules", "Spawn", "StoredSchedule", "Trigger"),
)

FORMER_NAMES: Mapping[str, str] = {
    **_gone("sp00ky_core", _OF_SCHEDULES, *_ERRORS),
    **_gone("sp00ky_core.errors", _OF_SCHEDULES, *_ERRORS),
    **_gone("sp00ky_core.config", _OF_SCHEDULES, "ForEachConfig", "ScheduleConfig", "ScheduleRetryConfig"),
    **_gone("sp00ky_core.config", "use sp00ky_core.Finding", "Notice"),
    **_gone("sp00ky_core.ports", _OF_STORE, *_ABILITIES),
    **_gone("sp00ky_core.ports", "it is in sp00ky_schedules, or its `model.records`", *_RECORDS),
    "sp00ky plan": "docs/retries.md says how long retries last",
    "sp00ky dashboard --user": 'set SP00KY_DASHBOARD_TOKENS="NAME=TOKEN"',
    "SP00KY_DASHBOARD_PASSWORD": 'set SP00KY_DASHBOARD_TOKENS="NAME=TOKEN"',
    "sp00ky_dashboard.BasicAuth": "use TokenAuth({name: token})",
}
"""What is to be done instead of using a name, by that name: as it is typed, or as ``Class.attribute``, or as
``module.attribute``."""

DEPRECATED: Mapping[str, str] = {"Outbox.redrive": "retry", "SyncOutbox.redrive": "retry"}
"""The new name of an attribute whose old one still works; 0.6 takes the old one away."""

Class = TypeVar("Class", bound=type)


def who_asks_for(name: str) -> str:
    """Return what is said to whoever asks for a name of 0.3; empty where it isn't one that is gone."""
    instead = FORMER_NAMES.get(name)
    return f"{name} is gone since 0.4: {instead}" if instead else ""


def refuse_former_name(module: str, name: str) -> None:
    """Raise ``ImportError`` for a name that a module had; it is what a ``from`` import lets through."""
    if text := who_asks_for(f"{module}.{name}"):
        raise ImportError(text)


def former_names(module: str) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module that had names which are gone."""

    def named(name: str) -> Any:
        refuse_former_name(module, name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return named


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
