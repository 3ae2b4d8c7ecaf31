"""docs/operating.md, acting.md and on-call.md: their commands run, their tables hold what is there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import complaints

from sp00ky_core.cli import main

ROOT = Path(__file__).parents[2]
TEXT = "".join((ROOT / "docs" / page).read_text() for page in ("operating.md", "acting.md"))
SHELL = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
(POD,) = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    assert run(tmp_path, "sp00ky", "init").returncode == 0
    return tmp_path


def test_its_commands_run(project: Path) -> None:
    ready, runners, pause, change, stats, errors, operate, *_, audit = SHELL
    assert run(project, "sh", "-c", ready).stdout.endswith("ok: nothing to fix\n")
    for block in (runners, pause, change, stats, errors, audit):
        shown = run(project, "sh", "-c", f"set -e\n{block}")
        assert shown.returncode == 0
        assert complaints(shown.stderr) in {"", "none found\n"}
    assert re.findall(r"pause|resume", shown.stdout)[:2] == ["resume", "pause"]
    assert (project / "failed.ndjson").read_text() == ""
    job_id = run(project, "sp00ky", "call", "api", "/spookify", '{"id": "1"}').stdout.strip()
    done = run(project, "sh", "-c", operate.replace("ID...", job_id))
    assert done.returncode == 1  # what was just retried can't be cleared
    assert re.findall(rf"^{job_id} +(\w+)$", done.stdout, re.MULTILINE) == ["killed", "retried"]
    assert f"job {job_id} is pending: only ended jobs are cleared" in done.stderr


def test_its_filters_do_what_they_say(project: Path) -> None:
    filters = SHELL[8]
    assert run(project, "sh", "-c", SHELL[0]).returncode == 0
    for count in range(2):
        assert run(project, "sp00ky", "call", "api", "/spookify", f'{{"id": "{count}"}}').returncode == 0
    done = run(project, "sh", "-c", f"set -e\n{filters}")
    assert done.stdout.splitlines() == ["would be retried: 0", "killed: 2", "cleared: 0", "cleared: 2"]
    assert done.returncode == 0


TRIAL = "  trial: {spec: ./openapi.yml, baseUrl: 'http://127.0.0.1:3661', method: {table: trial}}\n"

ENDED = """
import asyncio
from sp00ky_core import NewJob, Outbox

async def main():
    async with Outbox.open("sp00ky.yml") as outbox:
        new = [NewJob(path="/spookify", payload={"id": "4111"}, assigned_to="user:7") for _ in range(3)]
        jobs = await outbox.run_many("api", new)
        await outbox.kill(jobs[0].id)

asyncio.run(main())
"""


def test_jobs_are_replayed_moved_redacted_and_erased(project: Path) -> None:
    replay, move, redact, _ = SHELL[9:]
    (project / "sp00ky.yml").write_text(f"{(project / 'sp00ky.yml').read_text().rstrip()}\n{TRIAL}")
    assert run(project, "sh", "-c", SHELL[0]).returncode == 0
    assert run(project, sys.executable, "-c", ENDED).returncode == 0
    done = run(project, "sh", "-c", f"set -e\n{replay.replace('--status success', '--status failed')}")
    assert (done.returncode, done.stdout) == (0, "would be copied: 1\ncopied: 1\n")
    done = run(project, "sh", "-c", f"set -e\n{move.replace('postgresql://new/app', 'sqlite:///new.db')}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("would be imported: 4\nimported: 4\n")
    all_of_them, field, erase = redact.splitlines()
    field = field.replace("--path /charge --field /card", "--path /spookify --field /id --kill")
    done = run(project, "sh", "-c", f"set -e\n{field}\n{all_of_them}")
    assert done.returncode == 0, done.stderr
    assert re.findall(r"redacted: .*", done.stdout) == ["redacted: 4 (3 killed first)", "redacted: 4"]
    exported = run(project, "sp00ky", "jobs", "export", "--all").stdout
    assert ("4111" in exported, "user:7" in exported, exported.count("redacted_at")) == (False, False, 4)
    done = run(project, "sh", "-c", f"SP00KY_STORE=sqlite:///new.db {erase}")
    assert (done.returncode, '"done": 4' in done.stdout) == (0, True)
    assert "none found" in run(project, "sp00ky", "--store", "sqlite:///new.db", "jobs", "list").stderr


def test_each_question_on_call_has_a_command(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "sp00ky.yml").write_text(f"{(project / 'sp00ky.yml').read_text().rstrip()}\n{TRIAL}")
    assert run(project, "sh", "-c", SHELL[0]).returncode == 0
    job_id = run(project, "sp00ky", "call", "api", "/spookify", '{"id": "1"}').stdout.strip()
    (project / "jobs.ndjson").write_text(run(project, "sp00ky", "jobs", "export", "--all").stdout)
    lines = (ROOT / "docs" / "on-call.md").read_text().splitlines()
    page = "\n".join(line for line in lines if line.startswith("|"))
    commands = re.findall(r"`sp00ky ([^`]+)`", page.replace("jobs.ndjson", f"{project}/jobs.ndjson"))
    for command in commands:
        arguments = shlex.split(command.replace("get ID", f"get {job_id}"))
        with pytest.raises(SystemExit) as ended:
            main(["--config", str(project / "sp00ky.yml"), *arguments])
        assert ended.value.code == (1 if command == "health" else 0), (command, capsys.readouterr().err)
    assert len(commands) >= len(re.findall(r"^\| .* \| `sp00ky", page, re.MULTILINE)) > 0


def test_jobs_that_must_not_be_sent_are_stopped_and_deleted(project: Path) -> None:
    assert run(project, "sh", "-c", SHELL[0]).returncode == 0
    assert run(project, "sp00ky", "call", "api", "/spookify", '{"id": "1"}').returncode == 0
    done = run(project, "sh", "-c", f"set -e\n{SHELL[7]}")
    assert (done.returncode, re.findall(r"(?:killed|cleared): \d", done.stdout)) == (
        0,
        ["killed: 1", "cleared: 1"],
    )
