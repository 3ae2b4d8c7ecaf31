"""Run the type checkers, each once for all programs; `nox -s types` does, for it has them installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.generate import hostile

from sp00ky_core import Outbox
from sp00ky_generate.module import module_text

collect_ignore_glob = [] if find_spec("mypy") and find_spec("pyright") else ["test_*.py"]

PROGRAMS = Path(__file__).with_name("programs")

Errors = set[tuple[str, int]]
"""Files and lines in which a checker finds something."""


def marked(program: Path) -> Errors:
    """The lines of a program that end with ``# wrong``, and must not pass."""
    lines = program.read_text(encoding="utf-8").splitlines()
    return {(program.name, number) for number, line in enumerate(lines, 1) if line.endswith("# wrong")}


def mypy(*programs: Path, folder: Path) -> Errors:
    command = ("-m", "mypy", "--strict", "--output", "json", "--cache-dir", str(folder / "cache"))
    out = _output(*command, *map(str, programs), folder=folder)
    found = [json.loads(line) for line in out.splitlines()]
    return {
        (Path(message["file"]).name, message["line"]) for message in found if message["severity"] == "error"
    }


def pyright(*_programs: Path, folder: Path) -> Errors:
    (folder / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}))
    found = json.loads(_output("-m", "pyright", "--outputjson", folder=folder))["generalDiagnostics"]
    return {(Path(message["file"]).name, message["range"]["start"]["line"] + 1) for message in found}


def completeness(package: str, folder: Path) -> dict[str, Any]:
    """What pyright says of the types that a package gives."""
    command = ("-m", "pyright", "--verifytypes", package, "--ignoreexternal", "--outputjson")
    found: dict[str, Any] = json.loads(_output(*command, folder=folder))["typeCompleteness"]
    return found


def _output(*arguments: str, folder: Path) -> str:
    """What a Python program prints, run where no folder of the repository can be imported."""
    programs = Path(
        sys.executable
    ).parent  # pyright looks for the environment that it is started in on the path
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    ).stdout


CHECKERS: dict[str, Callable[..., Errors]] = {"mypy": mypy, "pyright": pyright}


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The programs, copied to where they find modules generated of their document and of a hostile one."""
    folder = tmp_path_factory.mktemp("programs")
    for file in (*PROGRAMS.glob("*.py"), *PROGRAMS.glob("*.yml")):
        shutil.copy(file, folder)
    _generate(folder, "typed_outbox.py")
    (folder / "openapi.yml").write_text(json.dumps(hostile.document()))
    _generate(folder, "hostile_outbox.py")
    return sorted(folder.glob("*.py"))


def _generate(folder: Path, name: str) -> None:
    outbox = Outbox.open(folder / "sp00ky.yml")
    (folder / name).write_text(module_text(outbox.backends, outbox.plugins.strategies))


@pytest.fixture(scope="session", params=CHECKERS)
def errors(request: pytest.FixtureRequest, programs: list[Path]) -> Errors:
    """What each checker finds in the programs here."""
    return CHECKERS[request.param](*programs, folder=programs[0].parent)
