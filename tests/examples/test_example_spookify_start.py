"""What the spookify example needs before it starts, and what is copied into it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "spookify"
SPEC_TABLE = ROOT / "tests" / "store_surreal" / "spec_job.surql"
LIBRARY = Path("node_modules") / "surrealdb" / "dist" / "surrealdb.mjs"


@pytest.fixture
def project(tmp_path: Path, edit: Callable[[Path, str, str], None]) -> Path:
    """A copy without the library, where no database answers (the port of discard)."""
    left = shutil.ignore_patterns("node_modules", "data", "__pycache__")
    project = shutil.copytree(EXAMPLE, tmp_path / "spookify", ignore=left)
    edit(project / "sp00ky.yml", "127.0.0.1:8000", "127.0.0.1:9")
    return project


def start(project: Path) -> subprocess.CompletedProcess[str]:
    """Start it where no program is on PATH."""
    command = [sys.executable, str(project / "serve.py")]
    return subprocess.run(
        command, env={"PATH": str(project)}, capture_output=True, text=True, check=False, timeout=240
    )


@pytest.mark.parametrize(
    ("has_library", "says"), [(False, "there is no `npm`"), (True, "there is no `surreal` on PATH")]
)
def test_a_missing_program_is_said_in_one_line(project: Path, has_library: bool, says: str) -> None:
    pytest.importorskip("surrealdb", reason="surrealdb, the Python client, isn't installed")
    if has_library:
        (project / LIBRARY).parent.mkdir(parents=True)
        (project / LIBRARY).touch()
    ended = start(project)
    assert ended.returncode == 1
    assert says in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_the_job_table_is_the_documentations_to_the_letter() -> None:
    assert (EXAMPLE / "schema" / "job.surql").read_text() == SPEC_TABLE.read_text()


def test_the_lock_file_names_no_registry() -> None:
    """The packages come from wherever the reader's npm gets them, and are compared with their hashes."""
    text = (EXAMPLE / "package-lock.json").read_text()
    assert "resolved" not in text
    assert "://" not in text
    assert text.count('"integrity"') == text.count('"node_modules/')
