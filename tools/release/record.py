"""Write what goes with a release: the list of what it is made of, and the changelogs."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from tools.release.distribution import DIST, Distribution
from tools.release.installation import environment, together
from tools.release.program import output, tool
from tools.sources import ROOT

__all__ = ["RECORDS", "changelogs", "fragments", "render", "sbom"]

RECORDS = DIST / "records"
"""Beside the files for the index, which takes nothing else."""


def sbom(distributions: list[Distribution], python: Path) -> None:
    """Write a CycloneDX list of all that an installation with every extra consists of."""
    RECORDS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        installed = environment(Path(folder), python)
        together(installed, distributions, "highest")
        options = ("--output-reproducible", "--output-file", RECORDS / "sbom.cdx.json")
        output(tool("cyclonedx-py"), "environment", *options, installed)


def changelogs(distributions: list[Distribution]) -> None:
    """Write each changelog's section of this version, or what it will be, and change nothing else."""
    RECORDS.mkdir(exist_ok=True)
    for each in distributions:
        text = section(each) or towncrier(each, "--draft")
        (RECORDS / f"{each.name}-{each.version}.md").write_text(text)


def section(distribution: Distribution) -> str:
    """Return what a changelog says of this version; empty where it says nothing yet."""
    text = (distribution.folder / "CHANGELOG.md").read_text()
    title = re.escape(f"# {distribution.name} {distribution.version} ")
    found = re.search(rf"^{title}.*?(?=^# |\Z)", text, re.DOTALL | re.MULTILINE)
    return found[0] if found else ""


def fragments(distributions: list[Distribution]) -> list[Path]:
    """List the fragments that aren't in a changelog yet."""
    return [file for each in distributions for file in (each.folder / "changelog.d").glob("*.md")]


def render(distributions: list[Distribution]) -> None:
    """Move the fragments into the changelogs; one that has its section of this version stays as it is.

    Raises:
        SystemExit: there are fragments beside such a section.
    """
    rendered = [each for each in distributions if section(each)]
    if left := fragments(rendered):
        names = ", ".join(str(file.relative_to(file.parents[2])) for file in left)
        raise SystemExit(f"the section of this version is written already: move {names} into it by hand")
    for each in distributions:
        if each not in rendered:
            towncrier(each, "--yes")


def towncrier(distribution: Distribution, *options: str) -> str:
    """Run towncrier in one distribution; what it prints."""
    place = ("--config", ROOT / "pyproject.toml", "--dir", distribution.folder)
    title = ("--name", distribution.name, "--version", distribution.version)
    return output(tool("towncrier"), "build", *options, *place, *title)
