"""Write the reference's pages: what the sources declare, so that no page can be out of date."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import griffe

from sp00ky_core.plugins.registry import load_plugins
from tools.site.markdown import relative, table
from tools.site.public import first_line, names, rooms
from tools.site.schema import columns_page, configuration_page, metrics_page

__all__ = ["FOLDER", "pages", "places"]

FOLDER = Path("reference")

HOOKS = "sp00ky_core.plugins.hookspecs"
ERRORS = "sp00ky_core.errors"
OUTCOMES = "sp00ky_core.job.outcome"

TITLES = {HOOKS: "Hooks", ERRORS: "Errors"}
"""Rooms whose page has another title than their name."""

COMMAND_LINE = """\
# Command line

Each command, its arguments and its options, as `--help` has them. Exit codes: 0 done, 1 the thing asked for
failed, 2 usage or configuration. Commands of other distributions than the core are at the end.
"""

COMMAND = """
::: mkdocs-click
    :module: {module}
    :command: {name}
    :prog_name: {program}
    :depth: {depth}
    :style: plain
"""


def pages() -> Iterator[tuple[Path, str]]:
    """Yield each page of the reference: its path below the documents' folder, and its Markdown."""
    shown = places()
    for room in rooms():
        yield page_of(room), _room(room, shown)
    yield FOLDER / "command-line.md", "".join([COMMAND_LINE, *_commands()])
    yield FOLDER / "configuration.md", configuration_page()
    yield FOLDER / "columns.md", columns_page()
    yield FOLDER / "metrics.md", metrics_page()


def _commands() -> Iterator[str]:
    """Yield the built-in commands, which the generator lists without those of plugins, and each of these."""
    yield COMMAND.format(module="sp00ky_core.cli.app", name="cli", program="sp00ky", depth=1)
    for name, each in sorted(load_plugins().commands.items()):
        made: Any = each.callback
        yield COMMAND.format(module=made.__module__, name=made.__name__, program=f"sp00ky {name}", depth=2)


def page_of(room: str) -> Path:
    """Return where the page of a public room is."""
    title = TITLES.get(room)
    return FOLDER / (f"{title.lower()}.md" if title else f"python/{room}.md")


def places() -> Mapping[str, str]:
    """Map each public definition to the room on whose page it is described.

    That is the room that it is defined in, if that one is public and exports it; else the first that does.
    """
    exporting: dict[str, list[str]] = defaultdict(list)
    for room in rooms():
        for name in names(room):
            exporting[name.path].append(room)
    return {
        path: max(found, key=lambda room: path.startswith(f"{room}.") and len(room))
        for path, found in exporting.items()
    }


def _room(room: str, shown: Mapping[str, str]) -> str:
    exported = names(room)
    lines = [f"# {TITLES.get(room, room)}", "", inspect.getdoc(importlib.import_module(room)) or "", ""]
    lines += table(
        ["Name", "Description"], [(_link(each, room, shown), first_line(each)) for each in exported]
    )
    if room == ERRORS:
        lines += ["", f"What stands in a job's `errors` is listed in [`{OUTCOMES}`](python/{OUTCOMES}.md)."]
    for each in exported:
        if shown[each.path] == room:
            lines += ["", f"::: {each.path}", *_options(each.path)]
    return "\n".join(lines) + "\n"


def _options(path: str) -> list[str]:
    """Show an enumeration's members, which have no docstring each; of a class what its bases here have."""
    found = pkgutil.resolve_name(path)
    if not inspect.isclass(found) or issubclass(found, Exception):
        return []
    if issubclass(found, Enum):
        return ["    options:", "      show_if_no_docstring: true"]
    is_joined = any(base.__module__.startswith("sp00ky_") for base in found.__bases__)
    return ["    options:", "      inherited_members: true"] if is_joined else []


def _link(each: griffe.Object, room: str, shown: Mapping[str, str]) -> str:
    owner = shown[each.path]
    page = "" if owner == room else relative(page_of(owner), page_of(room))
    return f"[`{each.name}`]({page}#{each.path})"
