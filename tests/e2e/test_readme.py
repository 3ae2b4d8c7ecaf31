"""The README does what it says: its example runs, against the backend that it names."""

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core import Secret, load_config

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
EXAMPLE = ROOT / "examples" / "quickstart"


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def project(tmp_path: Path, backend_url: str) -> Path:
    """A copy of the example that nobody else's jobs are in, pointed at that backend."""
    copy = tmp_path / "examples" / "quickstart"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("jobs*"))
    config = copy / "sp00ky.yml"
    text = config.read_text()
    assert "http://127.0.0.1:3660" in text
    config.write_text(text.replace("http://127.0.0.1:3660", backend_url))
    return tmp_path


def test_its_configuration_can_be_loaded(tmp_path: Path) -> None:
    _, text = blocks("yaml")
    file = tmp_path / "sp00ky.yml"
    file.write_text(text)
    config = load_config(file, environ={"API_TOKEN": "secret"})
    assert config.backends["api"].token == Secret("secret")


def test_a_backend_whose_port_is_taken_says_so(backend_url: str) -> None:
    port = backend_url.rpartition(":")[2]
    command = [sys.executable, str(EXAMPLE / "backend.py"), port]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"can't listen on 127.0.0.1:{port}: ")


def test_its_function_is_a_function_still() -> None:
    namespace: dict[str, Any] = {}
    exec(blocks("python")[0], namespace)  # noqa: S102  # the README's own text
    assert asyncio.run(namespace["send_receipt"](7, "a@b.test")) == "sent to a@b.test"


def test_the_example_delivers_its_job(project: Path) -> None:
    _, example = blocks("python")
    for _ in range(2):  # the second time the table and a job are there already
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", example],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == "{'spooky': 'thread:abc'}\n"
        assert done.stderr == ""


CALL = """
import asyncio, shop
from sp00ky_core import Outbox

async def main():
    async with Outbox.open("sp00ky.yml", store="memory://") as outbox, outbox.runner():
        job = await shop.send_receipt.enqueue(outbox, order=7, email="boo@example.com")
        print((await outbox.wait(job.id)).result)

asyncio.run(main())
"""


def test_its_function_is_a_job(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(blocks("python")[0])
    (tmp_path / "sp00ky.yml").write_text(blocks("yaml")[0])
    command = [sys.executable, "-W", "error", "-c", CALL]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
    assert (done.stdout, done.stderr) == ("sent to boo@example.com\n", "")
