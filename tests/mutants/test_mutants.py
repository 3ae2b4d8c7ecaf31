"""The conformance suite notices each fault of ``table.py``, on a copy of the core that has it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.mutants.table import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "tests" / "store_sqlite" / "test_store.py"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mutants")
    shutil.copytree(ROOT / "sp00ky_core" / "src", folder, dirs_exist_ok=True)
    return folder


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.file}-{mutant.new}")
def test_the_suite_notices(mutant: Mutant, sources: Path) -> None:
    file = sources / "sp00ky_core" / "stores" / "transactional" / mutant.file
    text = file.read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1, "the source has changed: name what stands there now"
    file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", SUITE, "-k", mutant.noticed_by],
            env={**os.environ, "PYTHONPATH": str(sources)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        file.write_text(text, encoding="utf-8")
    assert run.returncode == 1, run.stdout
    assert "failed" in run.stdout.splitlines()[-1], run.stdout
    assert "passed" not in run.stdout.splitlines()[-1], run.stdout
