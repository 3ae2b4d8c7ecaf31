"""``${VAR}`` in a configuration's texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_REFERENCE = re.compile(r"(?P<escape>\$\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<broken>\$\{)")


class VariableProblem(ValueError):
    """A reference that can't be resolved; the text names the variable, never a value."""


class VariableUnset(VariableProblem):
    """A variable that isn't set: it may be in another process."""


class FromVariable(str):
    """A text that was one variable and nothing else: it may stand for a number or a boolean too."""

    __slots__ = ()


def expanded(value: Any, environ: Mapping[str, str]) -> Any:
    """Replace ``${VAR}`` in a text, or in each text of a list; ``$${`` stands for ``${``.

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


def from_vault(value: Any, environ: Mapping[str, str]) -> Any:
    """Resolve ``{vault: NAME}``, also in a list, to the environment variable NAME; else as ``expanded``.

    Raises:
        VariableProblem: it isn't set, or is one of our own settings.
    """
    if isinstance(value, list):
        return [from_vault(item, environ) for item in value]
    if not isinstance(value, dict):
        return expanded(value, environ)
    name = value.get("vault")
    if len(value) != 1 or not isinstance(name, str) or not name:
        raise VariableProblem("expected text, or {vault: NAME} for the environment variable NAME")
    if name.upper().startswith("SP00KY_"):
        raise VariableProblem("SP00KY_... are sp00ky's own settings, not secrets; choose another vault name")
    if name not in environ:
        raise VariableUnset(
            f"the environment variable {name} is not set, which the vault's {name} is read from"
        )
    return FromVariable(environ[name])


def _resolved(found: re.Match[str], environ: Mapping[str, str]) -> str:
    if found["escape"]:
        return "${"
    if found["broken"]:
        raise VariableProblem("write a variable as ${NAME}, or $${ for a plain ${")
    try:
        return environ[found["name"]]
    except KeyError:
        raise VariableUnset(f"the environment variable {found['name']} is not set") from None
