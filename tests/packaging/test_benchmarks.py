"""The benchmarks still run: little of each, alone, and nothing is said about how fast."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHEAP = ("delivery", "noop", "enqueue", "enqueue-one", "latency", "notify", "churn")


@pytest.mark.slow
def test_the_cheap_benchmarks_run(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("uvloop", reason="uvloop doesn't run here")
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "benchmarks", "--short", "--no-peers", "--json", str(report), *CHEAP]
    environment = {name: value for name, value in os.environ.items() if name != "SP00KY_STORE"}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    sections = json.loads(report.read_text())["sections"]
    assert len(sections) == len(CHEAP)
    for section in sections:
        assert f"### {section['title']}" in done.stdout
        assert section["rows"]
        for bound in section["bounds"]:
            assert bound["measured"] > 0, bound
