"""YAML as its users read it: the core schema of YAML 1.2, and no key twice.

PyYAML follows YAML 1.1, where ``on`` is true, ``1:30`` is 90, ``010`` is 8 and ``2024-01-01`` is a date.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sp00ky_core.encoding.yaml_constructor import YamlProblem, yaml_value

__all__ = ["YamlProblem", "read_yaml", "decoded", "parse_yaml"]


def read_yaml(file: Path) -> Any:
    """Read the value in a file of YAML or JSON.

    Raises:
        YamlProblem: it is missing, unreadable, not UTF-8, or neither YAML nor JSON.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise YamlProblem("no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise YamlProblem(f"can't be read: {getattr(error, 'strerror', None) or error}") from None
    return parse_yaml(decoded(data))


def decoded(data: bytes) -> str:
    """Read the text of a file. Raises ``YamlProblem`` where it isn't UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise YamlProblem("it is not UTF-8; save it as UTF-8") from None


def parse_yaml(text: str, *, text_keys: bool = False) -> Any:
    """Parse YAML or JSON text.

    Args:
        text: it.
        text_keys: make each key a text, as in JSON: YAML's ``200:`` is ``"200"``.

    Raises:
        YamlProblem: it is neither, has a key twice, or its aliases contain themselves or expand too far.
    """
    if text.lstrip()[:1] != "{":
        return yaml_value(text, text_keys=text_keys)
    # The quick way, and JSON may be indented by tabs, which YAML refuses.
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise YamlProblem("it is nested too deeply") from None
    except YamlProblem:
        raise
    except ValueError:
        return yaml_value(text, text_keys=text_keys)  # "{" opens a mapping in YAML too


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise YamlProblem(f"the key {twice!r} is there twice; keep one")
    return found
