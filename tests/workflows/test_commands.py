"""``sp00ky workflows`` and ``sp00ky batches``."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.workflows.conftest import BACKEND, Backend, document

from sp00ky_core import NewJob, Outbox, PayloadNotJson, load_config, load_plugins
from sp00ky_workflows import Workflows

STEPS = "{a: {backend: shop, route: /a}, b: {backend: shop, route: /b, dependsOn: [a]}}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "openapi.json").write_text(document())
    keys = (
        f"backends: {{shop: {BACKEND}}}\nstore: sqlite:///app.db\nworkflows: {{deploy: {{steps: {STEPS}}}}}\n"
    )
    (tmp_path / "sp00ky.yml").write_text(keys)
    return tmp_path / "sp00ky.yml"


def sp00ky(file: Path, *arguments: str) -> Result:
    from sp00ky_core.cli.app import cli  # noqa: PLC0415

    return CliRunner().invoke(cli, ["--config", str(file), *arguments])


def done(file: Path, *arguments: str) -> str:
    result = sp00ky(file, *arguments)
    assert result.exit_code == 0, result.output
    return result.output


async def finish(file: Path) -> None:
    plugins = load_plugins()
    outbox = Outbox.open(load_config(file, plugins=plugins), plugins=plugins)
    async with outbox, outbox.runner(transport=Backend()):
        (found,) = await outbox.extension(Workflows).list(status="running")
        await outbox.extension(Workflows).wait(found.id, timeout=60)


def test_a_workflow_is_triggered_shown_killed_and_retried(file: Path) -> None:
    import asyncio  # noqa: PLC0415

    done(file, "migrate")
    workflow_id = done(file, "workflows", "trigger", "deploy", '{"n": 1}').strip()
    assert "running" in done(file, "workflows", "list", "--name", "deploy")
    assert "waiting" in done(file, "workflows", "show", workflow_id)
    assert "killed" in done(file, "workflows", "kill", workflow_id, "--reason", "a test")
    assert sp00ky(file, "workflows", "watch", workflow_id).exit_code == 1
    assert "running" in done(file, "workflows", "retry", workflow_id, "--from", "a")
    asyncio.run(finish(file))
    said: Any = json.loads(done(file, "workflows", "show", workflow_id, "--json"))
    assert (said["status"], said["revision"], said["input"]) == ("success", 2, {"n": 1})
    assert "success" in done(file, "workflows", "watch", workflow_id)
    assert done(file, "workflows", "rerun", workflow_id).strip() != workflow_id
    assert len(json.loads(done(file, "workflows", "list", "--json"))["workflows"]) == 2
    assert sp00ky(file, "workflows", "show", "none").exit_code == 1
    assert isinstance(sp00ky(file, "workflows", "trigger", "deploy", "{").exception, PayloadNotJson)


def test_many_are_retried_by_what_failed_in_them(file: Path) -> None:
    done(file, "migrate")
    ids = [done(file, "workflows", "trigger", "deploy").strip() for _ in range(3)]
    for one in ids:
        done(file, "workflows", "kill", one)
    (file.parent / "fixed.json").write_text('{"n": 1}')
    chosen = ("workflows", "retry", "--status", "killed", "--name", "deploy")
    assert "would go on: 3" in done(file, *chosen, "--dry-run")
    asked = sp00ky(file, *chosen)
    assert (asked.exit_code, "add --yes" in asked.output) == (2, True)
    wrong = sp00ky(file, *chosen, "--payload", f"@{file.parent / 'fixed.json'}", "--yes")
    assert (wrong.exit_code, "no step of it has failed" in wrong.output) == (1, True)
    assert "go on: 3 of 3" in done(file, *chosen, "--yes")
    assert "go on: 0 of 0" in done(file, *chosen, "--yes")
    assert sp00ky(file, "workflows", "retry").exit_code == 2
    assert sp00ky(file, "workflows", "retry", ids[0], "--status", "failed").exit_code == 2


def test_a_signal_is_given(file: Path) -> None:
    steps = "{ok: {waitFor: approved}, a: {backend: shop, route: /a, dependsOn: [ok]}}"
    file.write_text(file.read_text().replace(STEPS, steps))
    done(file, "migrate")
    workflow_id = done(file, "workflows", "trigger", "deploy").strip()
    assert "for a signal" in done(file, "workflows", "show", workflow_id)
    (file.parent / "by.json").write_text('{"by": "ada"}')
    given = done(file, "workflows", "signal", workflow_id, "approved", f"@{file.parent / 'by.json'}")
    assert "1 pending, 1 success" in given
    shown = json.loads(done(file, "workflows", "show", workflow_id, "--json"))
    assert {step["name"]: step["result"] for step in shown["steps"]}["ok"] == {"by": "ada"}
    wrong = sp00ky(file, "workflows", "signal", workflow_id, "aproved")
    assert (wrong.exit_code, "did you mean 'approved'" in str(wrong.exception)) == (1, True)


async def batch(file: Path) -> None:
    plugins = load_plugins()
    outbox = Outbox.open(load_config(file, plugins=plugins), plugins=plugins)
    async with outbox, outbox.extension(Workflows).batch("import-7") as made:
        await made.run_many("shop", [NewJob(path="/a", payload={}) for _ in range(3)])


def test_batches_are_shown(file: Path) -> None:
    import asyncio  # noqa: PLC0415

    done(file, "migrate")
    asyncio.run(batch(file))
    assert "import-7  closed: 3 jobs, 0 succeeded, 0 failed, 3 left" in done(
        file, "batches", "show", "import-7"
    )
    assert done(file, "batches", "list").split()[6:] == ["import-7", "closed", "3", "0", "0", "3"]
    assert json.loads(done(file, "batches", "show", "import-7", "--json"))["size"] == 3
    assert json.loads(done(file, "batches", "list", "--json"))["batches"][0]["closed"] is True
    assert sp00ky(file, "batches", "show", "none").exit_code == 1
