"""examples/functions: jobs that are functions, enqueued by FastAPI and by Django."""

import json
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "functions"

BY_FASTAPI = """
from fastapi.testclient import TestClient
from main import app

with TestClient(app) as client:
    print(*client.post("/orders/7", params={"email": "boo@example.com", "sku": "mug"}).json())
"""

BY_DJANGO = """
import django_shop
from django.test import Client

print(Client().get("/orders/8?email=boo@example.com").json()["job"])
print(Client().get("/orders/9?email=boo@example.com&fail=1").json()["job"])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example, migrated."""
    copy = copytree(EXAMPLE, tmp_path / "functions")
    run(copy, "-m", "sp00ky_core", "migrate")
    return copy


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    ended = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == code, ended.stderr
    return ended.stdout


def ended(folder: Path, job_id: str) -> tuple[str, str, int]:
    job = json.loads(run(folder, "-m", "sp00ky_core", "jobs", "get", "--json", job_id))
    return job["status"], job["result"], job["retries"]


def test_fastapi_s_functions_are_called(folder: Path) -> None:
    listed = run(folder, "-m", "sp00ky_core", "check")
    assert "shop: /send_receipt(order: int, email: str) -> str: shop.send_receipt" in listed
    receipt, stock = run(folder, "-W", "ignore", "-c", BY_FASTAPI).split()
    run(folder, "-m", "sp00ky_core", "run", "--until-empty")
    assert ended(folder, receipt) == ("success", "order 7: sent to boo@example.com", 0)
    assert ended(folder, stock) == ("success", "1 of mug", 1)


def test_django_s_job_is_of_its_transaction(folder: Path) -> None:
    job, rolled_back = run(folder, "-W", "ignore", "-c", BY_DJANGO).split()
    run(folder, "-m", "sp00ky_core", "run", "--until-empty")
    assert ended(folder, job) == ("success", "order 8: sent to boo@example.com", 0)
    run(folder, "-m", "sp00ky_core", "jobs", "get", rolled_back, code=1)
