"""YAML as its users read it: the core schema of YAML 1.2, and no key twice.

PyYAML follows YAML 1.1, where ``on`` is true, ``1:30`` is 90, ``010`` is 8 and ``2024-01-01`` is a date.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.encoding.yaml_constructor import YamlProblem, yaml_value

__all__ = ["YamlProblem", "read_yaml", "decoded", "parse_yaml", "why_unread"]


def read_yaml(file: Path) -> Any:
    """Read the value in a file of YAML or JSON.

    Raises:
        YamlProblem: it is missing, unreadable, not UTF-8, or neither YAML nor JSON.
    """
    try:
        data = file.read_bytes()
    except (OSError, ValueError) as error:
        raise YamlProblem(why_unread(error)) from None
    return parse_yaml(decoded(data))


def why_unread(error: Exception) -> str:
    """Say why a file couldn't be read; a ``ValueError`` is of a NUL in its name."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return f"can't be read: {getattr(error, 'strerror', None) or error}"


def decoded(data: bytes) -> str:
    """Read the text of a file. Raises ``YamlProblem`` where it isn't UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise YamlProblem("it is not UTF-8; save it as UTF-8") from None


def parse_yaml(text: str, *, text_keys: bool = False) -> Any:
    """Parse YAML or JSON text; with ``text_keys`` each key is a text, as in JSON.

    Raises:
        YamlProblem: it is neither, has a key twice, or its aliases contain themselves or expand too far.
    """
    if text.lstrip()[:1] != "{":
        return yaml_value(text, text_keys=text_keys)
    # The quick way, and JSON may be indented by tabs, which YAML refuses.
    try:
        return decode(text, unique_keys=True)
    except ValueError:
        return yaml_value(text, text_keys=text_keys)  # "{" opens a mapping in YAML too
