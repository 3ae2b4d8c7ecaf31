"""docs/plugins.md: its plugin, installed as its pyproject.toml says, does its work in a real delivery."""

import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.conftest import complaints

from sp00ky_core import Delivered, JsonText

TEXT = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()
PLUGIN, REFUSING, ITS_TEST = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
(PROJECT,) = re.findall(r"^```toml\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


class Moody(BaseHTTPRequestHandler):
    """Fails at first, then has it already; ``/chat`` always fails."""

    protocol_version = "HTTP/1.1"
    teams: ClassVar[list[tuple[str | None, str | None]]] = []

    def do_POST(self) -> None:  # the name that http.server calls
        self.rfile.read(int(self.headers["Content-Length"]))
        self.teams.append((self.headers["X-Team"], self.headers["X-Thread"]))
        failed = self.path == "/chat" or self.headers["Sp00ky-Attempt"] == "1"
        self.send_response(500 if failed else 409)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def moody() -> Iterator[str]:
    Moody.teams.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Moody) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder in which the plugin is installed."""
    folder = tmp_path / "site"
    project = tomllib.loads(PROJECT)["project"]
    info = folder / "ghost_outbox-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "ghost_outbox.py").write_text(PLUGIN)
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(metadata)
    points = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["sp00ky"].items())
    (info / "entry_points.txt").write_text(f"[sp00ky]\n{points}")
    return folder


@pytest.fixture
def project(tmp_path: Path, moody: str) -> Path:
    operation = {"post": {"requestBody": {"content": {"application/json": {}}}}}
    spec = {"openapi": "3.1.0", "paths": dict.fromkeys(("/spookify", "/chat"), operation)}
    (tmp_path / "openapi.json").write_text(json.dumps(spec))
    backend = f"{{spec: openapi.json, baseUrl: '{moody}', method: {{table: job}}, retry: {{base: 0.01}}}}"
    (tmp_path / "sp00ky.yml").write_text(f"store: memory://\nbackends: {{api: {backend}}}\n")
    return tmp_path


def python(project: Path, site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_it_does_its_work(project: Path, site: Path) -> None:
    asked = ["--retry-strategy", "fibonacci", "--assigned-to", "thread:abc", "--wait", "--json"]
    program = "from sp00ky_core.cli import main; main()"
    done = python(project, site, "-c", program, "call", "api", "/spookify", *asked)
    assert done.returncode == 0
    assert done.stderr.endswith(": delivered by this command\n")  # and no plugin's complaint before it
    assert complaints(done.stderr).count("\n") == 1
    assert json.loads(done.stdout)["retries"] == 1  # the 409 counts as delivered
    assert Moody.teams == [("ghosts", "thread:abc")] * 2


def test_its_own_test_passes(project: Path, site: Path) -> None:
    (project / "test_ghost.py").write_text(ITS_TEST)
    done = python(project, site, "-m", "pytest", "-q", "test_ghost.py")
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_a_2xx_is_turned_into_a_failure() -> None:
    written: dict[str, Any] = {}
    exec(REFUSING, written)  # noqa: S102  # it is the document's
    said = [Delivered(result=JsonText(text)) for text in (b'{"ok": false}', b'{"ok": true}', b"[1]")]
    refused, *others = [written["sp00ky_classify_outcome"](outcome) for outcome in [*said, Delivered()]]
    assert (refused.code, refused.name, others) == (200, "http_status", [None] * 3)
