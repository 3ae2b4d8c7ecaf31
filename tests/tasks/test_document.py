"""What ``sp00ky check`` and the command line say of functions."""

import json
import subprocess
import sys

import pytest
from tests.tasks.conftest import Project

from sp00ky_core.errors import ConfigError


def sp00ky(project: Project, *arguments: str) -> tuple[int, str]:
    """Run the command line in a process of its own; return its exit code and what it says."""
    command = [sys.executable, "-m", "sp00ky_core", *arguments, "--config", str(project.file)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=project.folder)
    return ended.returncode, ended.stdout or ended.stderr


def test_check_lists_them_and_call_runs_one(project: Project) -> None:
    project.write(
        "@tasks.task\ndef send(order: int, note='x') -> int: return order + 1\n"
        "@tasks.task(max_retries=0, timeout=1.5)\ndef once(context: Context) -> None: ..."
    )
    code, said = sp00ky(project, "check")
    line = f"shop: /send(order: int, note='x') -> int: {project.name}.send"
    assert (code, f"{line}; without an annotation, so any JSON value: note\n" in said) == (0, True)
    own = "max_retries 0, timeout 1.5, which a row that a client INSERTs has to say itself"
    assert f"/once() -> None: {project.name}.once; {own}\n" in said
    code, said = sp00ky(project, "call", "shop", "/send", '{"order": 7}', "--wait", "--json")
    assert (code, json.loads(said)["result"]) == (0, 8)


async def test_another_backend_s_tasks_are_refused(project: Project) -> None:
    project.write("other = Tasks('other')", url=f"python://{project.name}:other")
    async with project.outbox() as outbox:
        with pytest.raises(ConfigError, match=r"is Tasks\('other'\), and this backend is 'shop'"):
            await outbox.runner().start()
