"""Make a release ready in ``dist/`` and try it: ``nox -s release``, ``nox -s changelogs``.

Beside the wheels and sdists, ``dist/records/`` has what goes with them: a CycloneDX list of what an
installation consists of, and each changelog's section.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

import attrs

from tools.sources import ROOT, distributions

DIST = ROOT / "dist"
RECORDS = DIST / "records"
RESOLUTIONS = ("highest", "lowest-direct")
PYTHON = re.compile(r"Programming Language :: Python :: (3\.\d+)")


@attrs.frozen(kw_only=True)
class Distribution:
    """One distribution, as its ``pyproject.toml`` has it.

    Attributes:
        folder: Where it lies.
        name: The name on the index.
        version: The version to release.
        dependencies: What it needs, our distributions included.
        extras: What each of its extras needs.
        pythons: The Pythons of its classifiers, as ``3.11``.
    """

    folder: Path
    name: str
    version: str
    dependencies: tuple[str, ...] = ()
    extras: dict[str, tuple[str, ...]] = attrs.field(factory=dict)
    pythons: tuple[str, ...] = ()

    @property
    def wheel(self) -> Path:
        """Return where its wheel is built to."""
        return DIST / f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"

    @property
    def sdist(self) -> Path:
        """Return where its sdist is built to."""
        return DIST / f"{self.name.replace('-', '_')}-{self.version}.tar.gz"

    @property
    def modules(self) -> list[str]:
        """List the packages in its wheel, but those for pytest, which only pytest imports."""
        with zipfile.ZipFile(self.wheel) as archive:
            names = {name.partition("/")[0] for name in archive.namelist()}
        return sorted(name for name in names if not name.endswith((".dist-info", "_pytest")))


def read(folder: Path) -> Distribution:
    """Read one distribution's ``pyproject.toml``."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    extras = project.get("optional-dependencies", {})
    return Distribution(
        folder=folder,
        name=project["name"],
        version=project["version"],
        dependencies=tuple(project["dependencies"]),
        extras={name: tuple(needs) for name, needs in extras.items()},
        pythons=tuple(PYTHON.findall("\n".join(project["classifiers"]))),
    )


def all_distributions() -> list[Distribution]:
    """Read them all, the core first; they must have one version."""
    folders = dict.fromkeys(package.parent.parent for package in distributions())
    released = sorted((read(folder) for folder in folders), key=lambda one: one.name != "sp00ky-core")
    versions = {one.version for one in released}
    if len(versions) > 1:
        raise SystemExit(f"one version for all, not {', '.join(sorted(versions))}: see each pyproject.toml")
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


def tool(name: str) -> Path:
    """Find a program of the environment that this runs in."""
    return Path(sys.executable).parent / name


def build(released: Sequence[Distribution]) -> None:
    """Build everything into an empty ``dist/``, and again elsewhere: both must be the same to the byte.

    The times in the archives are that of the last commit.
    """
    epoch = output("git", "log", "-1", "--format=%ct").strip()
    shutil.rmtree(DIST, ignore_errors=True)
    RECORDS.mkdir(parents=True)
    command = (tool("uv"), "build", "--quiet", "--no-create-gitignore", "--no-build-isolation")
    with tempfile.TemporaryDirectory() as again:
        for one in released:
            for target in (DIST, Path(again)):
                output(
                    *command,
                    "--no-create-gitignore",
                    "--out-dir",
                    target,
                    one.folder,
                    SOURCE_DATE_EPOCH=epoch,
                )
            for file in (one.wheel, one.sdist):
                digests = {sha256(copy.read_bytes()).digest() for copy in (file, Path(again) / file.name)}
                if len(digests) > 1:
                    raise SystemExit(f"{file.name}: a second build has other bytes")
    wheels = [one.wheel for one in released]
    output(tool("twine"), "check", "--strict", *wheels, *(one.sdist for one in released))
    output(tool("check-wheel-contents"), *wheels)


def needs(released: Iterable[Distribution]) -> list[str]:
    """List what distributions and their extras need."""
    return [line for one in released for line in (*one.dependencies, *sum(one.extras.values(), ()))]


def whole(released: Iterable[Distribution]) -> list[str]:
    """List the requirements of distributions with all of their extras."""
    return [f"{one.name}[{','.join(one.extras)}]=={one.version}" for one in released]


def install(folder: Path, python: str, ours: Iterable[str], needed: Iterable[str], resolution: str) -> Path:
    """Make an environment from ``dist/`` and the index; its Python.

    What is needed is said once more: so it counts as direct, and is resolved to the lowest.
    """
    output(tool("uv"), "venv", "--quiet", "--python", python, folder / "venv")
    installed = folder / "venv" / "bin" / "python"
    options = ("--quiet", "--find-links", DIST, "--resolution", resolution, "--python", installed)
    output(tool("uv"), "pip", "install", *options, *ours, *needed)
    output(tool("uv"), "pip", "check", "--quiet", "--python", installed)
    return installed


def smoke(python: Path, released: Sequence[Distribution]) -> None:
    """Import what was installed; where it has the command line, ask its version, load every plugin."""
    modules = ", ".join(module for one in released for module in one.modules)
    with tempfile.TemporaryDirectory() as folder:  # where no folder of the repository can be imported
        output(python, "-I", "-W", "error", "-c", f"import {modules}", folder=Path(folder))
        sp00ky = python.with_name("sp00ky")
        if sp00ky.exists():
            output(sp00ky, "plugins", folder=Path(folder))
            reported = output(sp00ky, "--version", folder=Path(folder)).split()[-1]
            if reported != released[0].version:
                raise SystemExit(f"sp00ky --version says {reported}, not {released[0].version}")


def try_on(python: str, released: Sequence[Distribution], resolution: str) -> None:
    """Install each distribution alone, then all together, and try what was installed."""
    for one in released:
        with tempfile.TemporaryDirectory() as folder:
            ours = [f"{one.name}=={one.version}"]
            installed = install(Path(folder), python, ours, one.dependencies, resolution)
            smoke(installed, [one])
    with tempfile.TemporaryDirectory() as folder:
        installed = install(Path(folder), python, whole(released), needs(released), resolution)
        smoke(installed, released)
        output(installed.with_name("sp00ky"), "demo", folder=Path(folder))


def found_python(version: str) -> str | None:
    """Return where this machine has a Python, if it has one."""
    command = (tool("uv"), "python", "find", "--no-python-downloads", version)
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # a fixed program
    return done.stdout.strip() or None


def install_everywhere(released: Sequence[Distribution]) -> None:
    """Try the wheels on each Python of this machine."""
    for python in filter(None, map(found_python, released[0].pythons)):
        for resolution in RESOLUTIONS:
            say(f"{python}, {resolution}: each alone, all together")
            try_on(python, released, resolution)


def write_records(released: Sequence[Distribution]) -> None:
    """Write the list of what an installation with every extra consists of, and the changelogs' sections."""
    with tempfile.TemporaryDirectory() as folder:
        installed = install(Path(folder), sys.executable, whole(released), needs(released), "highest")
        options = ("--output-reproducible", "--output-file", RECORDS / "sbom.cdx.json")
        output(tool("cyclonedx-py"), "environment", *options, installed)
    for one in released:
        (RECORDS / f"{one.name}-{one.version}.md").write_text(section(one) or towncrier(one, "--draft"))


def section(distribution: Distribution) -> str:
    """Return what a changelog says of this version; empty where it says nothing yet."""
    text = (distribution.folder / "CHANGELOG.md").read_text()
    title = re.escape(f"# {distribution.name} {distribution.version} ")
    match = re.search(rf"^{title}.*?(?=^# |\Z)", text, re.DOTALL | re.MULTILINE)
    return match[0] if match else ""


def fragments(released: Iterable[Distribution]) -> list[Path]:
    """List the fragments that aren't in a changelog yet."""
    return [file for one in released for file in (one.folder / "changelog.d").glob("*.md")]


def render(released: Sequence[Distribution]) -> None:
    """Move the fragments into the changelogs; one that has its section of this version stays as it is.

    Raises:
        SystemExit: there are fragments beside such a section.
    """
    rendered = [one for one in released if section(one)]
    if left := fragments(rendered):
        names = ", ".join(str(file.relative_to(file.parents[2])) for file in left)
        raise SystemExit(f"the section of this version is written already: move {names} into it by hand")
    for one in released:
        if one not in rendered:
            towncrier(one, "--yes")


def towncrier(distribution: Distribution, *options: str) -> str:
    """Run towncrier in one distribution; what it prints."""
    place = ("--config", ROOT / "pyproject.toml", "--dir", distribution.folder)
    title = ("--name", distribution.name, "--version", distribution.version)
    return output(tool("towncrier"), "build", *options, *place, *title)


def refuse_unready(released: Sequence[Distribution], tag: str) -> None:
    """Stop where a tag isn't the version's, or the changelogs lack what is released."""
    if tag != f"v{released[0].version}":
        raise SystemExit(f"the tag is {tag}: tag v{released[0].version}, the distributions' version")
    if left := fragments(released):
        raise SystemExit(f"{len(left)} changelog fragments are left: run nox -s changelogs and commit")


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--render", action="store_true", help="only move the fragments into the changelogs")
    parser.add_argument("--tag", help="the tag that is released: refuse one that isn't ready")
    arguments = parser.parse_args()
    released = all_distributions()
    if arguments.tag:
        refuse_unready(released, arguments.tag)
    if arguments.render:
        render(released)
        return
    for step in (build, install_everywhere, write_records):
        say((step.__doc__ or "").partition("\n")[0])
        step(released)
    say(f"{released[0].version} is in dist/")


if __name__ == "__main__":
    main()
