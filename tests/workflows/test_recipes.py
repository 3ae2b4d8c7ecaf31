"""The recipes of docs/workflows.md, as they are written there."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from tests.workflows.conftest import OPEN, Backend, Refused, Run, document, statuses, until

from sp00ky_core import Outbox
from sp00ky_workflows import Workflows

PAGE = (Path(__file__).parents[2] / "docs" / "workflows.md").read_text()
RECIPES = dict(
    re.findall(r"^## ([^\n]+)\n\n<!-- not run[^\n]*\n```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
)
PATHS = ["charge", "refund", "reserve", "release", "ship", "shops", "sum", "send", "line", "imported"]
PATHS += ["import-failed", "draft", "pay-back"]


@pytest.fixture
def project(project: Path) -> Path:
    paths = {f"/{name}": OPEN for name in PATHS}
    (project.parent / "openapi.json").write_text(document(paths))
    return project


async def follow(recipe: str, **names: Any) -> dict[str, Any]:
    """Run the code of a recipe."""
    code = compile(RECIPES[recipe], recipe, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = eval(code, names)  # noqa: S307
    if inspect.isawaitable(running):
        await running
    return names


@pytest.mark.parametrize("fails", [False, True])
async def test_order_checkout(outbox: Outbox, run: Run, backend: Backend, fails: bool) -> None:
    def ship(_: Any) -> None:
        if fails:
            raise Refused("sold out")

    backend.answers |= {"/charge": lambda _: {"id": "r1"}, "/ship": ship}
    ended = await run((await follow("Order checkout, with undo", outbox=outbox))["w"].id)
    asked = dict(backend.asked)
    assert (asked["/charge"]["cents"], asked["/ship"]["receipt"]) == (1900, "r1")
    assert ended.status == ("undone" if fails else "success")
    assert backend.paths[3:] == (["/release", "/refund"] if fails else [])
    if fails:
        assert asked["/refund"]["receipt"] == "r1"


async def test_nightly_report(outbox: Outbox, run: Run, backend: Backend) -> None:
    backend.answers["/shops"] = lambda _: {"list": [{"id": 1}, {"id": 2}]}
    backend.answers["/sum"] = lambda given: given["of"] * 100
    ended = await run((await follow("Nightly report, by fan-out", outbox=outbox))["w"].id)
    assert statuses(ended)["sum[1]"] == "success"
    assert backend.asked[-1][1]["sums"] == [100, 200]


async def test_approval_by_a_person(outbox: Outbox, workflows: Workflows, backend: Backend) -> None:
    await follow("Approval, by a person", outbox=outbox)

    async def is_approved() -> bool:
        return statuses(await workflows.get("refund-7"))["approved"] == "success"

    async with outbox.runner(transport=backend):
        await until(is_approved)
    now = {step.name: (step.status, step.result) for step in (await workflows.get("refund-7")).steps}
    assert (now["approved"], now["pay"]) == (("success", {"by": "ada"}), ("waiting", None))


async def test_import_with_progress(
    outbox: Outbox, workflows: Workflows, backend: Backend, capsys: pytest.CaptureFixture[str]
) -> None:
    async with outbox.runner(transport=backend):
        await follow("Import, with progress", outbox=outbox, pages=[["a", "b"], ["c"]])
    assert (await workflows.batches.get("import-7")).ended
    assert capsys.readouterr().out.endswith("3 of 3\n")
