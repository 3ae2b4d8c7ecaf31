"""The conformance suite notices each fault: of the kit, on a copy that has it, and of stores on the kit."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.mutants.awkward import FAULTS
from tests.mutants.table import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
SUITES = {
    "sqlite": ROOT / "tests" / "store_sqlite" / "test_store.py",
    "memory": ROOT / "tests" / "conformance" / "test_memory_store.py",
}
FAULTY = [
    pytest.param(name, store, noticed_by, id=f"{name}-{store}")
    for name, fault in FAULTS.items()
    for store, noticed_by in fault.noticed_by.items()
    if not noticed_by.startswith("none: ")
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mutants")
    shutil.copytree(ROOT / "sp00ky_core" / "src", folder, dirs_exist_ok=True)
    return folder


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.file}-{mutant.new}")
def test_a_fault_of_the_kit_is_noticed(mutant: Mutant, sources: Path) -> None:
    file = sources / "sp00ky_core" / "stores" / "transactional" / mutant.file
    text = file.read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1, "the source has changed: name what stands there now"
    file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        fails("sqlite", mutant.noticed_by, PYTHONPATH=str(sources))
    finally:
        file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(("name", "store", "noticed_by"), FAULTY)
def test_a_fault_of_a_store_is_noticed(name: str, store: str, noticed_by: str) -> None:
    fails(store, noticed_by, "-p", "tests.mutants.awkward", SP00KY_FAULT=f"{name}@{store}")


def fails(store: str, tests: str, *options: str, **environment: str) -> None:
    """Run tests of a store's suite that must fail, each of them."""
    options = ("-q", "-m", "", "-p", "no:cacheprovider", *options, "-k", tests)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", str(SUITES[store]), *options],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout
    assert "failed" in run.stdout.splitlines()[-1], run.stdout
    assert "passed" not in run.stdout.splitlines()[-1], run.stdout
