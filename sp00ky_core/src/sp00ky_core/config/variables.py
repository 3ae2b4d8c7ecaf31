"""``${VAR}`` in a configuration's texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["FromVariable", "VariableProblem", "expanded", "escaped"]

_REFERENCE = re.compile(r"(?P<escape>\$\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<broken>\$\{)")


class VariableProblem(ValueError):
    """A reference that can't be resolved; the text names the variable, never a value."""


class FromVariable(str):
    """A text that was one variable and nothing else: it may stand for a number or a boolean too."""

    __slots__ = ()


def expanded(value: Any, environ: Mapping[str, str]) -> Any:
    """The value with ``${VAR}`` replaced in its text, or in each text of a list; ``$${`` stands for ``${``.

    Raises:
        VariableProblem: a variable isn't set, or a reference isn't closed.
    """
    if isinstance(value, list):
        return [expanded(item, environ) for item in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    text = _REFERENCE.sub(lambda found: _resolved(found, environ), value)
    whole = _REFERENCE.fullmatch(value)
    return FromVariable(text) if whole and whole["name"] else text


def _resolved(found: re.Match[str], environ: Mapping[str, str]) -> str:
    if found["escape"]:
        return "${"
    if found["broken"]:
        raise VariableProblem("write a variable as ${NAME}, or $${ for a plain ${")
    try:
        return environ[found["name"]]
    except KeyError:
        name = found["name"]
        raise VariableProblem(
            f"the environment variable {name} is not set; set it, or write $${{{name}}}"
        ) from None


def escaped(text: str) -> str:
    """The text that ``expanded`` turns into this one."""
    return text.replace("${", "$${")
