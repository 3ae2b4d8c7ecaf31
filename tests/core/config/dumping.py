"""Write a Config as the sp00ky.yml that it would be loaded from, for tests of the way there and back."""

import math
import re
from pathlib import Path
from typing import Any, ClassVar

import attrs
import yaml

from sp00ky_core.config.keys import TYPES, keys_of
from sp00ky_core.config.model import BreakerConfig, Config, Secret
from sp00ky_openapi.yaml_text import SCALARS

__all__ = ["dump_config", "dump_yaml", "escaped"]


def dump_config(config: Config, *, show_secrets: bool = False) -> dict[str, Any]:
    """Return the configuration in sp00ky.yml's shape: every default said, paths absolute.

    With ``show_secrets``, loading it gives the same configuration; without, each secret reads ``***``.
    """
    backends = {name: _dump_section(backend, show_secrets) for name, backend in config.backends.items()}
    return {"backends": backends, **_dump_section(config, show_secrets)}


def _dump_section(section: Any, show_secrets: bool) -> dict[str, Any]:
    dumped: dict[str, Any] = {}
    for name, key in keys_of(type(section)).items():
        value = _dump(getattr(section, name), show_secrets)
        within, _, leaf = key.places[0].rpartition(".")
        if key.read is BreakerConfig and value is None:
            value = False
        if value not in (None, {}, []):
            typed = {"type": TYPES[within]} if within in TYPES else {}
            into = dumped.setdefault(within, typed) if within else dumped
            into[leaf] = value
    return dumped


def _dump(value: Any, show_secrets: bool) -> Any:
    if isinstance(value, Secret):
        return escaped(value.value) if show_secrets else "***"
    if isinstance(value, str | Path):
        return escaped(str(value))
    if isinstance(value, frozenset | tuple):
        ordered = value if isinstance(value, tuple) else sorted(value)
        return [_dump(item, show_secrets) for item in ordered]
    if isinstance(value, float) and math.isinf(value):
        return "never"  # a duration, the only place for infinity
    return _dump_section(value, show_secrets) if attrs.has(type(value)) else value


def escaped(text: str) -> str:
    """Return the text that ``expanded`` turns into this one."""
    return text.replace("${", "$${")


class _Dumper(yaml.SafeDumper):
    """Quotes what ``parse_yaml`` would take for something else than text."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]  # PyYAML's stubs have it for an instance's

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _kind, _pattern in SCALARS.items():
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern})\Z"), None)


def dump_yaml(value: Any) -> str:
    """YAML text that ``parse_yaml`` reads as the same value (mappings, lists and scalars; no NaN)."""
    # ASCII only: unescaped, PyYAML writes U+0085 as a line end
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=math.inf)
