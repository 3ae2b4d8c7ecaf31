"""Build the site into ``build/site/html``; exit 1 and say why if it can't be."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.site import browser, navigation, search
from tools.site.pages import stage
from tools.site.public import undocumented
from tools.site.reference import pages
from tools.sources import ROOT

HERE = Path(__file__).parent
FOLDER = ROOT / "build" / "site"

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""Zensical colours its messages wherever they go."""

STACK = re.compile(r"^Traceback .*\n(?:[ \t].*\n)*", re.MULTILINE)
"""The frames of its own code, above the line that says what is wrong."""


def staged(folder: Path) -> list[str]:
    """Write all that Zensical reads; return what is wrong, a line each."""
    shutil.rmtree(folder, ignore_errors=True)
    documents = folder / "pages"
    problems = stage(documents)  # makes the folder
    for place, text in pages():
        (documents / place).parent.mkdir(parents=True, exist_ok=True)
        (documents / place).write_text(text)
    shutil.copyfile(HERE / "style.css", documents / "style.css")
    found = sorted(each.relative_to(documents).as_posix() for each in documents.rglob("*.md"))
    places = navigation.expanded(found)
    (folder / "mkdocs.yml").write_text(f"{(HERE / 'settings.yml').read_text()}nav:\n{places}")
    return problems + navigation.problems(found, places)


def generated(folder: Path) -> list[str]:
    """Run Zensical, and narrow its search; return what it says if it fails."""
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603  # fixed
    said = COLOUR.sub("", done.stdout + done.stderr)
    if done.returncode:
        return [STACK.sub("", said).strip()]
    search.narrow(folder / "html")
    return []


def main() -> None:
    """Build and check."""
    bare = [f"{each} has no docstring" for each in undocumented()]
    problems = [*bare, *staged(FOLDER)] or generated(FOLDER) or browser.problems(FOLDER / "html")
    if problems:
        sys.exit("\n".join(problems))
    print(f"the site: {FOLDER / 'html' / 'index.html'}")


if __name__ == "__main__":
    main()
