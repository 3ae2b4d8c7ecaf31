"""Workflows of sp00ky.yml, as Sp00ky's projects have them."""

from pathlib import Path
from typing import Any

import pytest
from tests.workflows.conftest import BACKEND, Backend, Run

from sp00ky_core import Outbox
from sp00ky_workflows import UnknownWorkflow, WorkflowInvalid, Workflows
from sp00ky_workflows.model.file import read_workflow

FILE = """\
workflows:
  deploy:
    onFailure: continue-independent
    deadline: 1h
    steps:
      build: {backend: shop, route: /a, payload: {n: 1}, retry: {max: 3, strategy: exponential}, timeout: 2m}
      test: {backend: shop, route: /b, dependsOn: [build]}
      ship: {backend: shop, route: /c, dependsOn: [build, test]}
  nightly:
    schedule: {cron: "0 33 * * *"}
    steps: {one: {backend: shop, route: /a}}
  wrong: {steps: {one: {backend: shop, route: /a, dependson: []}}}
"""


@pytest.fixture
def project(project: Path) -> Path:
    project.write_text(f"backends: {{shop: {BACKEND}}}\n{FILE}")
    return project


async def test_one_is_started_by_hand_and_its_steps_get_results(
    outbox: Outbox, workflows: Workflows, run: Run, backend: Backend
) -> None:
    backend.answers |= {"/a": lambda _: "built", "/b": lambda _: "tested"}
    made = await workflows.trigger("deploy", {"by": "ada"})
    assert made.deadline is not None
    build = next(step for step in made.steps if step.name == "build")
    job = await outbox.get(str(build.job_id))
    assert (job.max_retries, job.retry_strategy, job.timeout) == (2, "exponential", 120)
    assert (await run(made.id)).status == "success"
    assert backend.asked == [
        ("/a", {"n": 1, "input": {"by": "ada"}}),
        ("/b", {"steps": {"build": "built"}, "input": {"by": "ada"}}),
        ("/c", {"steps": {"build": "built", "test": "tested"}, "input": {"by": "ada"}}),
    ]
    with pytest.raises(UnknownWorkflow, match="'deploy'"):
        await workflows.trigger("deplo")


def test_a_step_sleeps_or_waits_for_a_signal() -> None:
    steps: dict[str, Any] = {
        "build": {"backend": "shop", "route": "/a"},
        "pause": {"sleep": "3d", "dependsOn": ["build"]},
        "approved": {"waitFor": "approved", "timeout": "14d", "dependsOn": "pause"},
        "closed": {"waitFor": "closed", "timeout": "never"},
    }
    graph = read_workflow("deploy", {"steps": steps}).graph
    read = {step.name: (step.path, step.options.get("seconds"), step.after) for step in graph.steps}
    assert read == {
        "build": ("/a", None, ()),
        "pause": ("sleep", 259_200.0, ("build",)),
        "approved": ("wait_for", 1_209_600.0, ("pause",)),
        "closed": ("wait_for", None, ()),
    }
    for wrong in (
        {"sleep": "3d", "route": "/a"},
        {"sleep": "never"},
        {"sleep": 0},
        {"waitFor": "x", "sleep": 1},
    ):
        with pytest.raises(WorkflowInvalid, match="step 'pause'"):
            read_workflow("deploy", {"steps": {**steps, "pause": wrong}})


async def test_check_says_what_can_t_be_started(outbox: Outbox) -> None:
    said = {finding.subject: finding.problem for finding in await outbox.check()}
    assert "cron" in said["workflows.nightly"]
    assert "unknown key 'dependson'" in said["workflows.wrong"]
    assert "workflows.deploy" not in said


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"steps": []}, "no mapping of steps"),
        ([], "no mapping of keys"),
        ({"steps": {"a": {"backend": "shop"}}}, "path"),
        ({"steps": {"a": {"backend": "shop", "route": "/a", "retry": {"times": 1}}}}, "'times'"),
        ({"steps": {"a": {"backend": "shop", "route": "/a"}}, "onFailure": "stop"}, "'stop'"),
        ({"steps": {"a": {"backend": "shop", "route": "/a", "timeout": "soon"}}}, "duration"),
        ({"steps": {"a": {"backend": "shop", "route": "/a"}}, "quarantineAfter": 2}, "give it a `schedule`"),
        ({"steps": {"a": {"backend": "shop", "route": "/a"}}, "schedule": {"at": "03:00"}}, "'at'"),
    ],
)
def test_what_is_wrong_is_named(raw: Any, problem: str) -> None:
    with pytest.raises(WorkflowInvalid, match=problem):
        read_workflow("deploy", raw)
