import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postgres import server_url

BACKEND = Path(__file__).parents[2] / "examples" / "quickstart" / "backend.py"


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The server that is given, or one of its own."""
    with server_url() as url:
        yield url


@pytest.fixture
def backend_url() -> Iterator[str]:
    """The quickstart's own backend, on a port of its own."""
    command = [sys.executable, str(BACKEND), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as backend:
        assert backend.stdout is not None
        yield backend.stdout.readline().split()[-1]
        backend.terminate()
