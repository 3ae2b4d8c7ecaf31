"""The quickstart's typed module is the one of its document, and its program enqueues by it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "quickstart"


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (("-m", "sp00ky_core", "generate", "--check"), "typed_outbox.py is up to date\n"),
        (("enqueue.py", "thread:1"), "pending\n"),
    ],
)
def test_the_module_is_used(command: tuple[str, ...], line: str) -> None:
    environment = {**os.environ, "SP00KY_STORE": "memory://"}
    done = subprocess.run(
        [sys.executable, *command], cwd=FOLDER, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(line)
