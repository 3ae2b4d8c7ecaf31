"""Write docs/architecture.md from the first docstring line of each module.

``python -m tools.architecture`` writes it; with ``--check`` it exits 1 where the file isn't up to date.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from tools.sources import ROOT, distributions, modules

TARGET = ROOT / "docs" / "architecture.md"
INTRODUCTION = ROOT / "docs" / "architecture.in.md"
"""What people write; the generated tables follow it."""


def first_line(module: Path) -> str:
    """Return the first line of a module's docstring."""
    text = ast.get_docstring(ast.parse(module.read_text())) or ""
    return text.partition("\n")[0]


def tables(package: Path) -> list[str]:
    """Render one distribution: a table for each folder."""
    lines = [f"## `{package.name}`", ""]
    folders = dict.fromkeys(module.parent for module in modules(package))
    for folder in folders:
        shown = [each for each in sorted(folder.glob("*.py")) if each.name != "__init__.py"]
        statements = len([*folder.glob("*.sql"), *folder.glob("*.surql")])
        if not shown and not statements:
            continue
        place = folder.relative_to(package.parent).as_posix()
        lines += [f"### `{place}/`", "", first_line(folder / "__init__.py"), ""]
        if statements:
            lines += [f"{statements} files, each one statement.", ""]
        lines += ["| file | |", "|---|---|"]
        lines += [f"| `{each.name}` | {first_line(each).replace('|', chr(92) + '|')} |" for each in shown]
        lines.append("")
    return lines


def document() -> str:
    """Render the whole document."""
    lines = [INTRODUCTION.read_text().rstrip(), ""]
    for package in distributions():
        lines += tables(package)
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Write the document, or check it."""
    text = document()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text)
        return 0
    if not TARGET.exists() or TARGET.read_text() != text:
        print("docs/architecture.md isn't up to date: run python -m tools.architecture")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
