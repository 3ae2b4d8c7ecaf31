"""docs/testing.md: each of its tests passes, in a project made by ``sp00ky init`` and nothing else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sp00ky_core.testing.enqueued import ExpectedOptions

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "testing.md").read_text()


def examples(heading: str, language: str = "python") -> list[str]:
    """All examples under a heading."""
    section = TEXT.partition(f"\n## {heading}\n")[2] if heading else TEXT.partition("\n## ")[0]
    return re.findall(
        rf"^```{language}\n(.*?)^```$", re.split(r"\n## ", section)[0], re.DOTALL | re.MULTILINE
    )


def run(folder: Path, *command: str) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What ``sp00ky init`` leaves in ``app``, and the document's configuration of pytest beside it."""
    (tmp_path / "app").mkdir()
    run(tmp_path / "app", "-c", "from sp00ky_core.cli import main; main()", "init")
    (tmp_path / "conftest.py").write_text(examples("")[0])
    (tmp_path / "pyproject.toml").write_text(examples("", "toml")[0])
    return tmp_path


OWN_DATABASE = """
import pytest
from sp00ky_core.testing import memory_outbox

@pytest.fixture
async def connection(outbox):
    async with outbox.store.transaction() as transaction:
        yield transaction

"""


def test_each_test_passes(project: Path) -> None:
    application, test = examples("FastAPI")
    (project / "app.py").write_text(application)
    (project / "test_fastapi.py").write_text(test)
    (project / "test_script.py").write_text(examples("A plain script")[0])
    (project / "test_performed.py").write_text(examples("What becomes of it")[0])
    (project / "test_runner.py").write_text(examples("With a runner")[0])
    (project / "test_database.py").write_text(OWN_DATABASE + examples("On your own database")[0])
    assert "6 passed" in run(project, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider")


def test_each_option_is_named() -> None:
    section = (ROOT / "docs" / "python.md").read_text().partition("\n## Enqueue\n")[2].partition("\n## ")[0]
    assert set(ExpectedOptions.__annotations__) - {"status"} <= set(re.findall(r"(\w+)=", section))
