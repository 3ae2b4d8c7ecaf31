"""Install the wheels, each alone and all together, on each Python of this machine, and try them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.release.distribution import DIST, Distribution
from tools.release.program import output, tool

__all__ = ["RESOLUTIONS", "environment", "pythons", "resolve", "try_all"]

RESOLUTIONS = ("highest", "lowest-direct")

SMOKE = Path(__file__).with_name("smoke.py")


def pythons(versions: Iterable[str]) -> dict[str, Path | None]:
    """Find each of these Pythons, on ``PATH`` or among pyenv's; none where this machine lacks it."""
    return {version: next(candidates(version), None) for version in versions}


def candidates(version: str) -> Iterator[Path]:
    """Yield the programs that are that Python."""
    found = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for path in (*([Path(found)] if found else []), *sorted(pyenv.glob(f"{version}.*/bin/python"))):
        program = "import sys; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([path, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603  # a Python
        if done.stdout.strip() == version:  # pyenv's shim of a Python that isn't selected fails
            yield path


def try_all(distributions: list[Distribution], python: Path, resolution: str) -> None:
    """Install each distribution alone, then all together, and try what was installed."""
    for each in distributions:
        with tempfile.TemporaryDirectory() as folder:
            installed = environment(Path(folder), python)
            install(installed, [f"{each.name}=={each.version}"], list(each.dependencies), resolution)
            smoke(installed, each.version, modules(each.wheel))
    with tempfile.TemporaryDirectory() as folder:
        installed = environment(Path(folder), python)
        together(installed, distributions, resolution)
        every = [module for each in distributions for module in modules(each.wheel)]
        smoke(installed, distributions[0].version, ["--deliver", *every])


def environment(folder: Path, python: Path) -> Path:
    """Make an empty environment; its Python."""
    output(tool("uv"), "venv", "--quiet", "--python", python, folder / "venv")
    return folder / "venv" / "bin" / "python"


def together(python: Path, distributions: list[Distribution], resolution: str) -> None:
    """Install all distributions with all of their extras."""
    install(python, [each.whole for each in distributions], needs(distributions), resolution)


def needs(distributions: Iterable[Distribution]) -> list[str]:
    """List what the distributions and their extras need."""
    return [line for each in distributions for line in (*each.dependencies, *sum(each.extras.values(), ()))]


def install(python: Path, ours: list[str], needed: list[str], resolution: str) -> None:
    """Install from ``dist/`` and the index.

    What is needed is said once more: so it counts as direct, and is resolved to the lowest.
    """
    options = ("--quiet", "--find-links", DIST, "--resolution", resolution, "--python", python)
    output(tool("uv"), "pip", "install", *options, *ours, *needed)
    output(tool("uv"), "pip", "check", "--quiet", "--python", python)


def resolve(distributions: list[Distribution], version: str, resolution: str) -> None:
    """Find out whether all that is needed has wheels for a Python that this machine lacks."""
    lines = "\n".join([*(each.whole for each in distributions), *needs(distributions)])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.in"
        file.write_text(lines)
        options = ("--quiet", "--no-python-downloads", "--find-links", DIST, "--only-binary", ":all:")
        output(
            *(tool("uv"), "pip", "compile", *options),
            *("--python-version", version, "--resolution", resolution, file),
        )


def modules(wheel: Path) -> list[str]:
    """List the packages in a wheel, but those for pytest, which only pytest imports."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name.partition("/")[0] for name in archive.namelist()}
    return sorted(name for name in names if not name.endswith((".dist-info", "_pytest")))


def smoke(python: Path, version: str, arguments: Iterable[str]) -> None:
    """Import what was installed; where it has the command line, ask its version, load every plugin."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)  # where no folder of the repository can be imported
        output(python, "-I", "-W", "error", SMOKE, *arguments, folder=folder)
        sp00ky = python.with_name("sp00ky")
        if not sp00ky.exists():
            return
        said = output(sp00ky, "--version", folder=folder).split()[-1]
        output(sp00ky, "plugins", folder=folder)
    if said != version:
        raise SystemExit(f"sp00ky --version says {said}, not {version}")
