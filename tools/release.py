"""Make a release ready in ``dist/`` and try it: ``nox -s release``, ``nox -s changelogs``.

Beside the wheels and sdists, ``dist/records/`` has what goes with them: a CycloneDX list of what an
installation consists of, and each changelog's section.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import attrs

from tools.sources import ROOT, distributions

DIST = ROOT / "dist"
RECORDS = DIST / "records"
RESOLUTIONS = ("highest", "lowest-direct")
PYTHON = re.compile(r"Programming Language :: Python :: (3\.\d+)")
CORE = tomllib.loads((ROOT / "sp00ky_core" / "pyproject.toml").read_text())["project"]


@attrs.frozen(kw_only=True)
class Distribution:
    """One distribution, whose version is the core's.

    Attributes:
        folder: Where it lies.
        project: What its ``pyproject.toml`` says of it.
        modules: The packages to import, but those for pytest, which only pytest imports.
    """

    folder: Path
    project: Mapping[str, Any]
    modules: Sequence[str]

    def requirements(self, *, extras: bool) -> list[str]:
        """List what installs it, with its extras or without.

        What is needed is said once more: so it counts as direct, and is resolved to the lowest.
        """
        wanted = self.project.get("optional-dependencies", {}) if extras else {}
        itself = f"{self.project['name']}[{','.join(wanted)}]=={CORE['version']}"
        return [itself, *self.project["dependencies"], *chain.from_iterable(wanted.values())]

    def fragments(self) -> list[Path]:
        """List the fragments that aren't in its changelog yet."""
        return sorted((self.folder / "changelog.d").glob("*.md"))

    def section(self) -> str:
        """Return what its changelog says of this version; empty where it says nothing yet."""
        text = (self.folder / "CHANGELOG.md").read_text()
        title = re.escape(f"# {self.project['name']} {CORE['version']} ")
        match = re.search(rf"^{title}.*?(?=^# |\Z)", text, re.DOTALL | re.MULTILINE)
        return match[0] if match else ""

    def towncrier(self, option: str) -> str:
        """Run towncrier on its fragments; what it prints."""
        place = ("--config", ROOT / "pyproject.toml", "--dir", self.folder)
        title = ("--name", self.project["name"], "--version", CORE["version"])
        return output("towncrier", "build", option, *place, *title)


def read() -> list[Distribution]:
    """Read each distribution's ``pyproject.toml``."""
    released = []
    for folder, packages in groupby(distributions(), key=lambda package: package.parents[1]):
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        modules = [package.name for package in packages if not package.name.endswith("_pytest")]
        released.append(Distribution(folder=folder, project=project, modules=modules))
    return released


def say(text: str) -> None:
    """Print a step, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def output(*command: object, folder: Path = ROOT, **variables: str) -> str:
    """Return what a program prints; ``variables`` are set in its environment.

    Raises:
        SystemExit: it failed; what it printed is the message.
    """
    words = [str(word) for word in command]
    environment = {**os.environ, **variables}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # fixed programs
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def build() -> None:
    """Build everything into an empty ``dist/``, and again elsewhere: both must be the same to the byte.

    The times in the archives are that of the last commit.
    """
    epoch = output("git", "log", "-1", "--format=%ct").strip()
    shutil.rmtree(DIST, ignore_errors=True)
    command = ("uv", "build", "--all-packages", "--no-build-isolation", "--python", sys.executable)
    quiet = ("--quiet", "--no-create-gitignore")
    with tempfile.TemporaryDirectory() as again:
        for target in (DIST, again):
            output(*command, *quiet, "--out-dir", target, SOURCE_DATE_EPOCH=epoch)
        files = sorted(DIST.iterdir())
        _, differing, missing = filecmp.cmpfiles(DIST, again, [file.name for file in files], shallow=False)
    if differing or missing:
        raise SystemExit(f"{', '.join(differing + missing)}: a second build has other bytes")
    output("twine", "check", "--strict", *files)
    output("check-wheel-contents", DIST)


def install(folder: Path, python: str, resolution: str, requirements: Sequence[str]) -> Path:
    """Make an environment from ``dist/`` and the index; its Python."""
    output("uv", "venv", "--quiet", "--python", python, folder / "venv")
    installed = folder / "venv" / "bin" / "python"
    options = ("--quiet", "--find-links", DIST, "--resolution", resolution, "--python", installed)
    output("uv", "pip", "install", *options, *requirements)
    output("uv", "pip", "check", "--quiet", "--python", installed)
    return installed


def try_on(python: str, resolution: str, released: Sequence[Distribution], *, extras: bool = False) -> None:
    """Install and import distributions; where that brings the command line, try it.

    The folder has none of the repository's, which could be imported.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        requirements = [line for one in released for line in one.requirements(extras=extras)]
        installed = install(folder, python, resolution, requirements)
        modules = ", ".join(module for one in released for module in one.modules)
        output(installed, "-I", "-W", "error", "-c", f"import {modules}", folder=folder)
        sp00ky = installed.with_name("sp00ky")
        if sp00ky.exists():
            output(sp00ky, "plugins", folder=folder)
            reported = output(sp00ky, "--version", folder=folder).split()[-1]
            if reported != CORE["version"]:
                raise SystemExit(f"sp00ky --version says {reported}, not {CORE['version']}")
            if extras:
                output(sp00ky, "demo", folder=folder)


def found_python(version: str) -> str | None:
    """Return where this machine has a Python, if it has one."""
    command = ("uv", "python", "find", "--no-python-downloads", version)
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or None  # noqa: S603  # a fixed program


def try_everywhere(released: Sequence[Distribution]) -> None:
    """Try each distribution alone, and all together, on each Python of this machine."""
    versions = PYTHON.findall("\n".join(CORE["classifiers"]))
    for python in filter(None, map(found_python, versions)):
        for resolution in RESOLUTIONS:
            say(f"{python}, {resolution}")
            for one in released:
                try_on(python, resolution, [one])
            try_on(python, resolution, released, extras=True)


def write_records(released: Sequence[Distribution]) -> None:
    """Write the list of what an installation with every extra consists of, and the changelogs' sections."""
    RECORDS.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        requirements = [line for one in released for line in one.requirements(extras=True)]
        installed = install(Path(folder), sys.executable, "highest", requirements)
        options = ("--output-reproducible", "--output-file", RECORDS / "sbom.cdx.json")
        output("cyclonedx-py", "environment", *options, installed)
    for one in released:
        record = RECORDS / f"{one.project['name']}-{CORE['version']}.md"
        record.write_text(one.section() or one.towncrier("--draft"))


def render(released: Sequence[Distribution]) -> None:
    """Move the fragments into the changelogs; one that has its section of this version stays as it is.

    Raises:
        SystemExit: there are fragments beside such a section.
    """
    rendered = [one for one in released if one.section()]
    if left := [str(file.relative_to(ROOT)) for one in rendered for file in one.fragments()]:
        names = ", ".join(left)
        raise SystemExit(f"the section of this version is written already: move {names} into it by hand")
    for one in released:
        if one not in rendered:
            one.towncrier("--yes")


def refuse_unready(released: Sequence[Distribution], tag: str) -> None:
    """Stop where a tag isn't the version's, or the changelogs lack what is released."""
    if tag != f"v{CORE['version']}":
        raise SystemExit(f"the tag is {tag}: tag v{CORE['version']}, the distributions' version")
    if left := [file for one in released for file in one.fragments()]:
        raise SystemExit(f"{len(left)} changelog fragments are left: run nox -s changelogs and commit")


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--render", action="store_true", help="only move the fragments into the changelogs")
    parser.add_argument("--tag", help="the tag that is released: refuse one that isn't ready")
    arguments = parser.parse_args()
    released = read()
    if arguments.tag:
        refuse_unready(released, arguments.tag)
    if arguments.render:
        render(released)
        return
    say("build everything, twice")
    build()
    try_everywhere(released)
    say("write the records")
    write_records(released)
    say(f"{CORE['version']} is in dist/")


if __name__ == "__main__":
    main()
