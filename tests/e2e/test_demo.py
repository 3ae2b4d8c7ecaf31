"""``sp00ky demo``, as somebody meets it who has just installed it."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import complaints

SP00KY = Path(sys.executable).with_name("sp00ky")


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, env=environment)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """It ran, with an empty home, a store that is somebody else's, and no terminal."""
    folder = tmp_path_factory.mktemp("demo")
    return run(str(SP00KY), "demo", HOME=str(folder), TMPDIR=str(folder), SP00KY_STORE="memory://")


def test_it_ends_well_and_says_nothing_else(demo: subprocess.CompletedProcess[str]) -> None:
    assert demo.returncode == 0, demo.stderr
    assert complaints(demo.stderr) == ""


def test_a_runner_is_killed_and_its_jobs_are_recovered(demo: subprocess.CompletedProcess[str]) -> None:
    (killed,) = re.findall(
        r"^kill -9 (\d+): that runner is gone, with \d+ jobs in flight$", demo.stdout, re.MULTILINE
    )
    held, recovered = re.findall(r"(\d+) jobs in flight$|^recovered:   (\d+)", demo.stdout, re.MULTILINE)[-2:]
    assert f"runner {killed} delivers" in demo.stdout
    assert int(held[0]) > 0
    assert int(recovered[1]) >= int(held[0]) - 1  # one of those may fail in the end: each 40th does


def test_it_shows_progress_in_plain_lines(demo: subprocess.CompletedProcess[str]) -> None:
    progress = re.findall(
        r"^(\d+) pending, \d+ processing, \d+ success, \d+ failed$", demo.stdout, re.MULTILINE
    )
    assert len(progress) > 2
    assert progress[-1] == "0"
    assert "\x1b" not in demo.stdout


def test_one_can_go_on_from_there(demo: subprocess.CompletedProcess[str]) -> None:
    """The commands that it names work, in a shell that has the same environment."""
    config = Path(demo.stdout.split("The sp00ky.yml that was used: ")[1].splitlines()[0])
    assert config.name == "sp00ky.yml"
    assert (config.parent / "openapi.yml").is_file()
    commands = [line for line in demo.stdout.splitlines() if line.startswith("  ") and "sp00ky --" in line]
    assert len(commands) == 2
    for command in commands:
        words = [str(SP00KY) if word == "sp00ky" else word for word in shlex.split(command)]
        done = run("env", *words, "--json", SP00KY_STORE="memory://")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        assert len(document.get("jobs", [])) == 7 or document["backends"]["demo"]["success"] == 193
