import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postgres import start_server

BACKEND = Path(__file__).parents[2] / "examples" / "quickstart" / "backend.py"


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The server that is given, or one of its own."""
    if given := os.environ.get("SP00KY_TEST_POSTGRES"):
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="sp00ky-pg", ignore_cleanup_errors=True) as folder:
        server = start_server(Path(folder))
        yield server.get_uri()
        server.stop()


@pytest.fixture
def backend_url() -> Iterator[str]:
    """The quickstart's own backend, on a port of its own."""
    command = [sys.executable, str(BACKEND), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as backend:
        assert backend.stdout is not None
        yield backend.stdout.readline().split()[-1]
        backend.terminate()
