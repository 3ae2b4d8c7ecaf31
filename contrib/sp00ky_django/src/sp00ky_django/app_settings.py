"""Read ``settings.SP00KY``: which sp00ky.yml, which database, which keys of the store's URL."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs
from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from sp00ky_core import ConfigError, find_config
from sp00ky_core.error_texts import nearest

__all__ = ["AppSettings", "app_settings", "wrong_setting"]

KEYS = {"CONFIG": (str, Path), "DATABASE": (str,), "OPTIONS": (dict,)}


@attrs.frozen(kw_only=True)
class AppSettings:
    """Hold what ``settings.SP00KY`` says.

    Attributes:
        config: The sp00ky.yml.
        database: The alias in ``DATABASES`` of the database that holds the jobs.
        options: Keys of the store's URL, such as ``schema``, ``listen_url`` and ``pgbouncer``.
    """

    config: Path
    database: str = "default"
    options: Mapping[str, str] = attrs.field(factory=dict)


@cache
def app_settings() -> AppSettings:
    """Read and check ``settings.SP00KY``; all of it may be left out.

    Raises:
        ConfigError: a key is unknown or of the wrong type, there is no such database, or no sp00ky.yml.
    """
    given = getattr(settings, "SP00KY", {})
    if not isinstance(given, Mapping):
        raise wrong_setting("", "expected a dict, as in {'CONFIG': BASE_DIR / 'sp00ky.yml'}")
    for key, value in given.items():
        _check_key(key, value)
    return AppSettings(
        config=_config(given.get("CONFIG")),
        database=_database(given.get("DATABASE", "default")),
        options={key: str(value) for key, value in given.get("OPTIONS", {}).items()},
    )


@receiver(setting_changed)
def _forget(*, setting: str, **_: Any) -> None:
    """Read the settings again after a test has changed one."""
    if setting in {"SP00KY", "BASE_DIR", "DATABASES"}:
        app_settings.cache_clear()


def wrong_setting(key: str, problem: str, fix: str = "") -> ConfigError:
    """Make the error that names a setting; empty: ``SP00KY`` as a whole."""
    name = f"SP00KY[{key!r}]" if key else "SP00KY"
    return ConfigError(file="Django's settings", key=name, problem=problem, fix=fix)


def _check_key(key: Any, value: Any) -> None:
    if key not in KEYS:
        raise wrong_setting(str(key), f"there is no such key; {nearest(str(key), KEYS)}")
    if not isinstance(value, KEYS[key]):
        kinds = " or a ".join(kind.__name__ for kind in KEYS[key])
        raise wrong_setting(key, f"expected a {kinds}, not a {type(value).__name__}")


def _database(alias: str) -> str:
    if alias not in settings.DATABASES:
        raise wrong_setting("DATABASE", f"no database {alias!r}; {nearest(alias, settings.DATABASES)}")
    return alias


def _config(given: str | Path | None) -> Path:
    base = getattr(settings, "BASE_DIR", None)
    folder = Path.cwd() if base is None else Path(base)
    if given is None:
        return find_config(folder)
    if not (folder / given).is_file():
        raise wrong_setting(
            "CONFIG", f"no file {folder / given}", "name your sp00ky.yml, or run `sp00ky init`"
        )
    return folder / given
