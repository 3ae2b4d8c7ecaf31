"""Check the words: first lines, words that the field doesn't use, described fields, long prose.

``python -m tools.words`` prints what it finds, a line each, and exits 1 where there is something. Arguments:
the folders and files to look at (by default all); ``--without FOLDER`` leaves one out, and may be repeated.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tools import prose
from tools.sources import ROOT, distributions, modules

QUESTIONS = re.compile(r"(What|Whose|Where|How)\b")
"""A first line says what is done: it doesn't ask."""

FORBIDDEN = {
    "mend": "fix",
    "mends": "fixes",
    "mended": "fixed",
    "told": "reported",
    "nobody": "name who",
    "somebody": "name who",
    "of ours": "internal",
    "hold for dead": "declare dead",
    "held for dead": "declared dead",
    "by itself": "automatically",
    "isn't there": "is missing",
}
"""Words that the field has others for, and those."""

WORDS = re.compile(rf"\b({'|'.join(map(re.escape, FORBIDDEN))})\b", re.IGNORECASE)


def documents() -> list[Path]:
    """List what people read: README files and documents, but for CHANGELOGs, which towncrier wraps."""
    readmes = [*ROOT.glob("*.md"), *ROOT.glob("sp00ky_*/README.md"), *ROOT.glob("contrib/*/README.md")]
    deploy = ROOT / "deploy" / "README.md"
    return [*readmes, deploy, *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/README.md")]


def forbidden(text: str, place: str) -> Iterator[str]:
    """Yield a complaint for each line with a word that the field has another for."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in WORDS.finditer(line):
            yield f"{place}:{number}: {found[0]!r}: say {FORBIDDEN[found[0].lower()]!r}"


def first_lines(module: Path, place: str) -> Iterator[str]:
    """Yield a complaint for each docstring that begins with a question word."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node) or ""
            if QUESTIONS.match(text):
                yield f"{place}:{getattr(node, 'lineno', 1)}: begin with a verb, not {text.split()[0]!r}"


def fields(module: Path, place: str) -> Iterator[str]:
    """Yield a complaint for each public attrs class with fields that its docstring doesn't describe."""
    for node in ast.walk(ast.parse(module.read_text())):
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_") or not is_attrs(node):
            continue
        text = ast.get_docstring(node) or ""
        names = [each.target.id for each in node.body if is_field(each)]  # type: ignore[attr-defined]  # as is_field says
        missing = [name for name in names if not re.search(rf"^\s*{name}: ", text, re.MULTILINE)]
        if missing:
            yield f"{place}:{node.lineno}: {node.name} needs Attributes: {', '.join(missing)}"


def is_attrs(node: ast.ClassDef) -> bool:
    """Say whether a class is decorated by attrs."""
    return any(ast.unparse(each).startswith(("attrs.frozen", "attrs.define")) for each in node.decorator_list)


def is_field(node: ast.stmt) -> bool:
    """Say whether a statement of a class's body declares a public field."""
    return (
        isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and not node.target.id.startswith("_")
        and "ClassVar" not in ast.unparse(node.annotation)
    )


def complaints() -> Iterator[str]:
    """Yield everything that is wrong, a line each."""
    for document in documents():
        text, place = document.read_text(), str(document.relative_to(ROOT))
        yield from forbidden(text, place)
        yield from (f"{place}:{number}: {complaint}" for number, complaint in prose.long(text))
    for package in distributions():
        for module in modules(package):
            place = str(module.relative_to(ROOT))
            yield from forbidden(module.read_text(), place)
            yield from first_lines(module, place)
            yield from fields(module, place)


def is_in(complaint: str, places: list[str]) -> bool:
    """Say whether a complaint is of one of these folders or files."""
    path = complaint.partition(":")[0]
    return any(path == each or path.startswith(f"{each.rstrip('/')}/") for each in places)


def main() -> int:
    """Print what is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("places", nargs="*")
    parser.add_argument("--without", action="append", default=[])
    arguments = parser.parse_args()
    found = [
        each
        for each in complaints()
        if (not arguments.places or is_in(each, arguments.places)) and not is_in(each, arguments.without)
    ]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
