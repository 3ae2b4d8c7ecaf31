"""Build the site into ``build/site/html``, or the folder that is given; exit 1 and say why if it can't be."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from tools.site import browser, navigation
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
    documents.mkdir(parents=True)
    problems = stage(documents)
    for place, text in pages():
        (documents / place).parent.mkdir(parents=True, exist_ok=True)
        (documents / place).write_text(text)
    shutil.copyfile(HERE / "style.css", documents / "style.css")
    found = sorted(each.relative_to(documents).as_posix() for each in documents.rglob("*.md"))
    places = navigation.expanded(found)
    settings = (HERE / "settings.yml").read_text() + yaml.safe_dump({"nav": places})
    (folder / "mkdocs.yml").write_text(settings)
    return problems + navigation.problems(found, places)


def generated(folder: Path) -> int:
    """Run Zensical; its exit code."""
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603  # fixed
    if done.returncode:
        said = COLOUR.sub("", done.stdout + done.stderr)
        print(STACK.sub("", said).strip(), file=sys.stderr)
    return done.returncode


def failed(problems: Sequence[str]) -> bool:
    """Print problems; say whether there are some."""
    for problem in problems:
        print(problem, file=sys.stderr)
    return bool(problems)


def main(arguments: Sequence[str]) -> int:
    """Build and check."""
    bare = [f"{each} has no docstring" for each in undocumented()]
    if failed([*bare, *staged(FOLDER)]) or generated(FOLDER):
        return 1
    html = FOLDER / "html"
    if failed(browser.problems(html)):
        return 1
    if arguments:
        shutil.copytree(html, arguments[0], dirs_exist_ok=True)
    print(f"the site: {html / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
