"""List every public name of the distributions, its definition and its docstring.

Public is what a public room's ``__all__`` declares: a distribution's package, and in the core and the
conformance kit its own modules and packages too. Definitions are read from the sources, so that a constant's
docstring (the text below it) counts as well.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import attrs

from tools.sources import distributions

__all__ = ["PublicName", "definition", "first_line", "names", "rooms", "undocumented"]

KITS = ("sp00ky_core", "sp00ky_conformance")
"""Packages whose rooms are public as well; of others it is what the package itself exports."""

DEEPER = ("sp00ky_core.stores.transactional", "sp00ky_django.testing")
"""Public rooms inside others, and of distributions whose rooms aren't public as such."""

ASSIGNMENTS = ast.Assign | ast.AnnAssign | ast.AugAssign

PRIVATE = ("sp00ky_core.cli",)
"""Rooms whose surface is another one: the command line."""


@attrs.frozen(kw_only=True)
class PublicName:
    """One name that a room exports.

    Attributes:
        room: The module whose ``__all__`` has it.
        name: The name.
        target: The dotted name of its definition.
        text: The definition's docstring; None: it has none.
    """

    room: str
    name: str
    target: str
    text: str | None


@cache
def sources() -> dict[str, Path]:
    """Map each module of the distributions to its file."""
    found: dict[str, Path] = {}
    for package in distributions():
        for file in sorted(package.rglob("*.py")):
            parts = (package.name, *file.relative_to(package).with_suffix("").parts)
            found[".".join(parts).removesuffix(".__init__")] = file
    return found


def rooms() -> list[str]:
    """List the public modules, each package before its rooms."""
    packages = sorted((package.name for package in distributions()), key=lambda name: name != KITS[0])
    inside = [module for module in sources() if module.rpartition(".")[0] in KITS and module not in PRIVATE]
    found = [*packages, *inside, *DEEPER]
    return sorted(filter(_has_all, found), key=lambda module: (packages.index(module.split(".")[0]), module))


def _has_all(module: str) -> bool:
    return any(isinstance(node, ASSIGNMENTS) and _assigns(node, "__all__") for node in _body(module))


def names(room: str) -> list[PublicName]:
    """List what a room exports, in its order."""
    found = []
    for name in importlib.import_module(room).__all__:
        if name != "__version__":
            module, text = definition(room, name)
            found.append(PublicName(room=room, name=name, target=f"{module}.{name}", text=text))
    return found


def undocumented() -> list[str]:
    """List the public names whose definition has no docstring, with the place to write it."""
    bare = {each.target for room in rooms() for each in names(room) if not (each.text or "").strip()}
    return sorted(bare)


def first_line(text: str | None) -> str:
    """Return a docstring's first sentence, as one line."""
    return " ".join((text or "").partition("\n\n")[0].split())


def definition(module: str, name: str) -> tuple[str, str | None]:
    """Return the module that defines a name which another one may only import, and its docstring.

    Raises:
        LookupError: no module of the distributions defines it.
    """
    body = _body(module)
    for index, node in enumerate(body):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return module, ast.get_docstring(node)
        if isinstance(node, ASSIGNMENTS) and _assigns(node, name):
            return module, _below(body, index)
    for source in _origins(module, name):
        try:
            return definition(source, name)
        except LookupError:
            continue
    raise LookupError(f"{module}.{name} has no definition in the sources")


@cache
def _body(module: str) -> list[ast.stmt]:
    body = ast.parse(sources()[module].read_text()).body
    return [inner for node in body for inner in _guarded(node) if not _is_overload(inner)]


def _is_overload(node: ast.stmt) -> bool:
    """Tell a signature of a function, which says nothing, from the function."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    return any(isinstance(each, ast.Name) and each.id == "overload" for each in decorators)


def _guarded(node: ast.stmt) -> Iterator[ast.stmt]:
    """Yield a statement, and what stands in an ``if TYPE_CHECKING:``, where lazy imports are declared."""
    yield node
    if isinstance(node, ast.If):
        yield from node.body


def _assigns(node: ast.Assign | ast.AnnAssign | ast.AugAssign, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    flat = [each for target in targets for each in ast.walk(target)]
    return any(isinstance(each, ast.Name) and each.id == name for each in flat)


def _below(body: list[ast.stmt], index: int) -> str | None:
    following = body[index + 1] if index + 1 < len(body) else None
    if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
        return str(following.value.value)
    return None


def _origins(module: str, name: str) -> Iterator[str]:
    """Yield the modules that a name may be imported from."""
    for node in _body(module):
        if isinstance(node, ast.ImportFrom) and node.module in sources():
            imported = {each.name for each in node.names}
            if imported & {name, "*"}:
                yield node.module
