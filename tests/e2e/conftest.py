import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BACKEND = Path(__file__).parents[2] / "examples" / "quickstart" / "backend.py"


@pytest.fixture
def backend_url() -> Iterator[str]:
    """The quickstart's own backend, on a port of its own."""
    command = [sys.executable, str(BACKEND), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as backend:
        assert backend.stdout is not None
        yield backend.stdout.readline().split()[-1]
        backend.terminate()
