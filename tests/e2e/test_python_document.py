"""docs/python.md and sync.md: each example does what stands beside it, in a project of ``sp00ky init``."""

import asyncio
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.conftest import complaints

from sp00ky_core import OperatorFate, Outbox

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "python.md").read_text()


def example(heading: str, language: str = "python") -> str:
    """The last example under a heading."""
    return examples(heading, language)[-1]


def examples(heading: str, language: str = "python") -> list[str]:
    """All examples under a heading."""
    section = re.split(r"\n## ", TEXT.partition(f"\n## {heading}\n")[2])[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


def run(folder: Path, *command: str) -> str:
    """What a command prints; it must succeed, and say nothing on stderr."""
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False, timeout=240
    )
    assert (done.returncode, complaints(done.stderr)) == (0, ""), done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``sp00ky init`` and ``migrate`` leave."""
    folder, program = tmp_path_factory.mktemp("made"), "from sp00ky_core.cli import main; main()"
    run(folder, "-c", program, "init")
    run(folder, "-c", program, "migrate")
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path, backend_url: str) -> Path:
    """A copy of it, with a backend that is there."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "sp00ky.yml"
    text = file.read_text()
    assert "http://127.0.0.1:3660" in text
    file.write_text(text.replace("http://127.0.0.1:3660", backend_url))
    return tmp_path


def test_enqueue(project: Path) -> None:
    first, count = run(project, "-W", "error", "-c", example("Enqueue")).splitlines()
    assert re.fullmatch(r"job:[\w-]+ pending", first)
    assert count == "100"


def test_payloads(project: Path) -> None:
    written, refused = run(project, "-W", "error", "-c", "\n".join(examples("Payloads"))).splitlines()
    assert re.fullmatch(r"\{'id': '[0-9a-f-]{36}'\}", written)
    assert "/id: its type is bytes" in refused
    assert "[('/id', 'its type is bytes; write it as text, base64 for instance')]" in refused


def test_look_and_wait(project: Path) -> None:
    *states, ended, result, same, found, numbers, unknown = run(
        project, "-W", "error", "-c", example("Look and wait")
    ).splitlines()
    assert set(states) <= {"pending 0", "processing 0"}
    assert ended == "success 0"
    assert result == "{'spooky': '1'} ()"
    assert same == "True []"
    assert re.fullmatch(r"job:[\w-]+", found)
    assert numbers == "0 0 0 1 0 0"
    assert "no job 'job:none'" in unknown


def test_steer(project: Path) -> None:
    steered = run(project, "-W", "error", "-c", example("Steer")).splitlines()
    paused, changed, rates, gone, latest, before = steered
    assert paused == "they deploy"
    assert changed == "{'rate': {'limit': 20, 'per': 1.0, 'burst': 20}, 'concurrency': 10}"
    assert rates.startswith("api 0.0 {'success': 0, ")
    assert gone.startswith("no runner 'host-1' is up; none is known")
    assert latest == "eve reset {'backend': 'api'}"
    assert before.startswith("None set {'backend': 'api', 'duration': 7200.0, ")


def test_operate(project: Path) -> None:
    killed, retried, refused, numbers = run(project, "-W", "error", "-c", example("Operate")).splitlines()
    assert (killed, retried) == ("killed None", "retried None")
    assert refused.startswith("illegal job ")
    assert numbers == "1 1 {'duplicate': 0, 'illegal': 0}"
    section = (DOCS / "acting.md").read_text().partition("## By hand")[2].partition("\n## ")[0]
    assert {fate.value for fate in OperatorFate} <= set(re.findall(r"`(\w+)`", section))


DJANGO = """
    import django
    from django.conf import settings

    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": "app.db"}
    settings.configure(DATABASES={"default": database})
    django.setup()
    from django.db import connection, transaction
    from sp00ky_core.sync import SyncOutbox

    def spookify(outbox, thread_id):
        with transaction.atomic():
            return outbox.run("api", "/spookify", {"id": thread_id}, connection=connection)

    with SyncOutbox.open("sp00ky.yml", store="sqlite:///app.db") as outbox:
        outbox.migrate()
        with transaction.atomic():
            job = spookify(outbox, "1")
        before = len(outbox.find())
        with transaction.atomic():
            spookify(outbox, "2")
            transaction.set_rollback(True)
        print(before, len(outbox.find()) - before)
    connection.close()
"""


def test_without_asyncio(project: Path) -> None:
    page = (DOCS / "sync.md").read_text()
    (enqueue,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert run(project, "-W", "error", "-c", enqueue) == "True\npending\n"
    assert run(project, "-W", "error", "-c", textwrap.dedent(DJANGO)) == "2 0\n"


def test_a_service_runs_its_jobs_itself(project: Path) -> None:
    served = """
    import asyncio
    async def main():
        async with lifespan(None) as state:
            job = await state["outbox"].run("api", "/spookify", {"id": "1"})
            async for job in state["outbox"].watch(job.id):
                pass
            print(job.status)
    asyncio.run(main())
    """
    program = example("Running jobs in your service") + textwrap.dedent(served)
    assert run(project, "-W", "error", "-c", program) == "success\n"


async def test_an_embedded_file_is_one_process_s(project: Path) -> None:
    async with Outbox.open(project / "sp00ky.yml"):
        program = "from sp00ky_core.cli import main; main()"
        for command in (["run", "--until-empty"], ["jobs", "stats"]):
            done = await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, *command, cwd=project, stderr=subprocess.PIPE
            )
            _, said = await done.communicate()
            assert done.returncode == 1
            assert b"only one can" in said
