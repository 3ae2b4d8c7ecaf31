"""Steps as functions, workflows in a caller's transaction, and what is refused when one is created."""

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sp00ky_core import Outbox, load_plugins
from sp00ky_core.errors import OptionInvalid
from sp00ky_core.plugins.registry import load_config
from sp00ky_core.sync import SyncOutbox
from sp00ky_tasks import Tasks
from sp00ky_workflows import WorkflowInvalid, Workflows
from sp00ky_workflows.api.draft import Draft

FUNCTIONS = """
from sp00ky_tasks import Tasks
tasks = Tasks("shop")
calls = []

@tasks.task(max_retries=7)
async def charge(order: int) -> dict[str, int]:
    calls.append(("charge", order))
    return {"id": order * 10}

@tasks.task
def ship(receipt: int) -> str:
    calls.append(("ship", receipt))
    raise ValueError("sold out")

@tasks.task
def refund(receipt: int) -> None:
    calls.append(("refund", receipt))
"""


async def test_functions_are_steps_and_undo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "functions_of_workflows.py").write_text(FUNCTIONS)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__("functions_of_workflows")
    url = "python://functions_of_workflows:tasks"
    (tmp_path / "sp00ky.yml").write_text(
        f"store: memory://\nbackends: {{shop: {{baseUrl: '{url}', method: {{}}, retry: {{base: 0}}}}}}\n"
    )
    plugins = load_plugins()
    outbox = Outbox.open(load_config(tmp_path / "sp00ky.yml", plugins=plugins), plugins=plugins)
    async with outbox:
        workflows = outbox.extension(Workflows)
        async with workflows.create("checkout", {"order": 7}) as w:
            paid = w.step(
                module.charge,
                order={"$from": "input/order"},
                undo=(module.refund, {"receipt": {"$from": "charge/id"}}),
            )
            w.step("send", module.ship.configure(max_retries=1), receipt=paid.result("/id"))
        job_id = str((await workflows.get(w.id)).steps[0].job_id)
        assert (await outbox.get(job_id)).max_retries == 7
        async with outbox.runner():
            ended = await workflows.wait(w.id, timeout=60)
    assert ended.status == "undone"
    assert module.calls == [("charge", 7), ("ship", 70), ("ship", 70), ("refund", 70)]


def test_a_functions_arguments_may_be_called_as_a_steps() -> None:
    tasks = Tasks("shop")

    @tasks.task
    def gate(name: str, backend: str, path: str, payload: str) -> None: ...

    draft = Draft("flow")
    arguments = dict.fromkeys(("name", "backend", "path", "payload"), "x")
    draft.step(gate, **arguments)
    draft.step("again", gate, **arguments)
    assert {step.name: step.payload for step in draft.graph().steps} == {
        "gate": arguments,
        "again": arguments,
    }


@pytest.mark.parametrize("deadline", [timedelta(seconds=-1), datetime(2099, 1, 1)])
def test_a_deadline_is_to_come(workflows: Workflows, deadline: object) -> None:
    with pytest.raises(
        WorkflowInvalid, match=r"^workflow 'flow': its deadline .* must be one that is to come"
    ):
        workflows.create("flow", deadline=deadline)  # type: ignore[arg-type]


def test_one_is_there_when_the_callers_transaction_commits(project: Path, tmp_path: Path) -> None:
    plugins = load_plugins()
    url = f"sqlite:///{tmp_path / 'app.db'}"
    with SyncOutbox(Outbox.open(load_config(project, plugins=plugins), store=url, plugins=plugins)) as outbox:
        outbox.migrate()
        workflows = outbox.asynchronous.extension(Workflows)
        connection = sqlite3.connect(tmp_path / "app.db", isolation_level=None)
        for end, count in (("ROLLBACK", 0), ("COMMIT", 1)):
            connection.execute("BEGIN IMMEDIATE")
            with workflows.create("mine", connection=connection) as w:
                w.step("b", "shop", "/b", after=[w.step("a", "shop", "/a")])
            connection.execute(end)
            assert len(outbox.find()) == count
        connection.close()
        assert outbox.do(lambda _: workflows.get(w.id)).status == "running"
        with pytest.raises(OptionInvalid, match="connection"):
            workflows.create("lost", connection=None)


async def test_what_can_t_be_is_refused_and_nothing_is_written(outbox: Outbox, workflows: Workflows) -> None:
    async def refused(given: object = None, **step: object) -> str:
        with pytest.raises(WorkflowInvalid) as caught:
            async with workflows.create("flow", given) as w:
                w.step(**{"name": "a", "backend": "shop", "path": "/pay", "payload": {"order": 1}} | step)
        return str(caught.value)

    assert "step 'a' of workflow 'flow'" in await refused(path="/nowhere")
    assert "'nobody'" in await refused(backend="nobody")
    assert "matches nothing" in await refused({"n": 1}, payload={"order": {"$from": "input/x"}})
    assert "max_retries" in await refused(max_retries=-1)
    assert "'/nowhere'" in await refused(undo=("shop", "/nowhere", {}))
    with pytest.raises(WorkflowInvalid, match="continue-independent"):
        workflows.create("flow", on_failure="stop")
    assert await workflows.list() == []
    assert await outbox.find() == []
