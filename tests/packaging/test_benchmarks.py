"""The benchmarks still run: little of each, alone, and nothing is said about how fast."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHEAP = (
    *("delivery", "noop", "function", "enqueue", "enqueue-one", "synchronous", "latency", "notify", "churn"),
    "kit",
)


ON_SURREAL = ("surreal-delivery", "surreal-noop", "surreal-enqueue", "surreal-latency", "surreal-backlog")


@pytest.mark.slow
def test_the_cheap_benchmarks_run(root: Path, tmp_path: Path) -> None:
    _run(root, tmp_path, CHEAP)


@pytest.mark.slow
def test_the_cheap_benchmarks_on_surrealdb_run(root: Path, tmp_path: Path) -> None:
    if shutil.which("surreal") is None:
        pytest.skip("no `surreal` on PATH: a SurrealDB server can't be started")
    _run(root, tmp_path, ON_SURREAL)


def _run(root: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    pytest.importorskip("uvloop", reason="uvloop doesn't run here")
    how = ["--short", "--rounds", "1", "--results", str(tmp_path), "--only", "ours"]
    (tmp_path / "some").mkdir()
    command = [sys.executable, "-m", "benchmarks", *names, *how]
    environment = {name: value for name, value in os.environ.items() if name != "SP00KY_STORE"}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert len([*tmp_path.iterdir()]) == 2  # what was there is kept
    for name in names:
        section = json.loads((tmp_path / "some" / f"{name}.1.json").read_text())
        assert f"### {section['title']}" in done.stdout
        assert section["rows"]
        for bound in section["bounds"]:
            assert bound["measured"] > 0, bound
