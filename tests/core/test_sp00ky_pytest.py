"""The pytest plugin: other runs cost nothing."""

import subprocess
import sys
import textwrap
from pathlib import Path


def test_the_plugin_leaves_other_runs_alone(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        textwrap.dedent("""
            import sys

            def test_nothing_heavy_is_loaded():
                assert {"sp00ky_pytest", "sp00ky_conformance_pytest"} <= set(sys.modules)
                heavy = {"sp00ky_core.testing", "sp00ky_conformance", "hypothesis", "pytest_asyncio"}
                assert not heavy & set(sys.modules)
        """)
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        "-p",
        "no:asyncio",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
