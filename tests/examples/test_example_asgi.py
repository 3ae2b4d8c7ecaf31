"""examples/asgi: a job that is a function of the application that enqueues it."""

import json
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "asgi"

ORDER = """
from fastapi.testclient import TestClient
from main import app

order = {"id": 7, "email": "boo@example.com"}
with TestClient(app) as client:
    print(client.post("/orders", json=order).json())
    print(client.post("/receipts", json=order).status_code)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example."""
    return copytree(EXAMPLE, tmp_path / "asgi")


def run(folder: Path, *arguments: str) -> str:
    ended = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_an_order_is_followed_by_its_receipt_which_nobody_else_can_have_sent(folder: Path) -> None:
    run(folder, "-m", "sp00ky_core", "migrate")
    assert "ok: nothing to fix" in run(folder, "-m", "sp00ky_core", "check")
    job_id, status = run(folder, "-W", "ignore", "-c", ORDER).split()
    assert status == "404"
    run(folder, "-m", "sp00ky_core", "run", "--until-empty")
    job = json.loads(run(folder, "-m", "sp00ky_core", "jobs", "get", "--json", job_id))
    assert (job["status"], job["result"]) == ("success", {"sent_to": "boo@example.com"})
