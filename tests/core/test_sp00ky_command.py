"""The command starts, and ends quietly at Ctrl-C while it does."""

from __future__ import annotations

import subprocess
import sys

INTERRUPTING = """
import os, signal, sys

class Interrupter:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupter())
from sp00ky_command import main
main()
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_ctrl_c_during_the_imports_ends_it_quietly() -> None:
    for module in ("sp00ky_core", "click", "yaml"):
        done = run(INTERRUPTING.format(module=module), "--version")
        assert (done.returncode, done.stdout, done.stderr) == (130, "", ""), module


def test_it_runs_the_command_line() -> None:
    done = run("from sp00ky_command import main; main()", "jobs", "get")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
