"""Collect the site's pages from the repository, and turn their links into links of the site.

A link to another page leads to that page, one to a file of the repository to a copy of it as text.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from tools.site.markdown import relative
from tools.sources import ROOT

__all__ = ["collect", "links", "page_places", "stage"]

FENCE = re.compile(r"^( *)(`{3,})[^`\n]*\n.*?^\1\2`*[ \t]*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?P<before>\]\(|\b(?:src|href|srcset)=\")(?P<target>[^)\s\"]+)")
FENCE_OR_LINK = re.compile(f"{FENCE.pattern}|{LINK.pattern}", FENCE.flags)
OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)

DOCS = ROOT / "docs"
SOURCE = Path("source")
"""The folder of copies."""


def page_places() -> Mapping[Path, Path]:
    """Map each document of the repository to its place in the site."""
    found = {ROOT / "README.md": Path("index.md")}
    found |= {each: Path(each.name.lower()) for each in sorted(ROOT.glob("*.md")) if each not in found}
    found |= {each: each.relative_to(DOCS) for each in sorted(DOCS.rglob("*.md"))}
    readmes = [*ROOT.glob("sp00ky_*/README.md"), *ROOT.glob("contrib/*/README.md")]
    found |= {readme: Path("distributions", f"{readme.parent.name}.md") for readme in sorted(readmes)}
    found[ROOT / "deploy" / "README.md"] = Path("deploy.md")
    examples = sorted(ROOT.glob("examples/*/README.md"))
    return found | {example: Path("examples", f"{example.parent.name}.md") for example in examples}


def stage(folder: Path) -> list[str]:
    """Write the pages and what they show into a folder; return what is wrong with their links."""
    places, problems = page_places(), []
    shutil.copytree(DOCS, folder, ignore=shutil.ignore_patterns("*.md", "*.mmd"))
    for document, place in places.items():
        text = document.read_text()
        problems += [f"{document.relative_to(ROOT)}: {each}" for each in _unusable(document, text)]
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(collect(text, document, places, folder))
    return problems


def _unusable(document: Path, text: str) -> Iterator[str]:
    for target in links(text):
        if not OUTSIDE.match(target) and not _resolved(document, target)[0].exists():
            yield f"the link to {target} leads nowhere"
    if "```mermaid" in text:
        yield "a mermaid fence needs a script: write docs/images/NAME.mmd, run nox -s screenshots"


def links(text: str) -> list[str]:
    """List the targets of a document's links."""
    return [found["target"] for found in FENCE_OR_LINK.finditer(text) if found["target"]]


def collect(text: str, document: Path, places: Mapping[Path, Path], folder: Path) -> str:
    """Return a document's text with links of the site; copy the files that it links to."""

    def rewritten(found: re.Match[str]) -> str:
        target = found["target"]
        if target is None or OUTSIDE.match(target) or target.startswith("#"):
            return found[0]
        path, anchor = _resolved(document, target)
        return f"{found['before']}{relative(_place(path, places, folder), places[document])}{anchor}"

    return FENCE_OR_LINK.sub(rewritten, text)


def _resolved(document: Path, target: str) -> tuple[Path, str]:
    path, mark, anchor = target.partition("#")
    return (document.parent / path).resolve() if path else document, mark + anchor


def _place(path: Path, places: Mapping[Path, Path], folder: Path) -> Path:
    """Return where a file of the repository is in the site, after copying it if it is no page."""
    if path in places:
        return places[path]
    if path.is_relative_to(DOCS) and path.is_file():
        return path.relative_to(DOCS)
    copy = SOURCE / f"{path.relative_to(ROOT)}.txt"
    (folder / copy).parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        (folder / copy).write_bytes(path.read_bytes())
    elif path.is_dir():
        files = (PurePosixPath(each.relative_to(path)) for each in sorted(path.rglob("*")) if each.is_file())
        listing = [str(file) for file in files if "__pycache__" not in file.parts]
        (folder / copy).write_text("\n".join(listing) + "\n")
    return copy
