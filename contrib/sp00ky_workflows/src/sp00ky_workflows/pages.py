"""Show workflows and batches in the dashboard: the graph of each, live, and an operator's hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sp00ky_core import Outbox
from sp00ky_dashboard import Act, Ask, Form, Page, context_of, render
from sp00ky_workflows.api.records import StepRecord
from sp00ky_workflows.api.workflows import Workflows
from sp00ky_workflows.errors import UnknownWorkflow
from sp00ky_workflows.model.advance import undone_by

__all__ = ["PAGES", "Node", "drawn"]

MOST_DRAWN = 150
"""Steps; of a larger workflow the table alone is shown."""
WIDTH, HEIGHT = 190, 44
"""Of a step with the room around it."""


@attrs.frozen(kw_only=True)
class Node:
    """A step where it is drawn.

    Attributes:
        step: The step.
        x: From the left.
        y: From the top.
    """

    step: StepRecord
    x: int
    y: int


def drawn(steps: Sequence[StepRecord]) -> list[Node]:
    """Place steps: each stands to the right of those that it needs; of too many none is drawn."""
    named = {step.name: step for step in steps if undone_by(step.name) is None}
    if len(named) > MOST_DRAWN:
        return []
    depths, rows, nodes = dict[str, int](), dict[int, int](), list[Node]()
    while len(depths) < len(named):
        for name, step in named.items():
            needed = [other for other in step.after if other in named]
            if name not in depths and all(other in depths for other in needed):
                depths[name] = max((depths[other] + 1 for other in needed), default=0)
    for name, depth in depths.items():
        rows[depth] = rows.get(depth, -1) + 1
        nodes.append(Node(step=named[name], x=depth * WIDTH, y=rows[depth] * HEIGHT))
    return nodes


async def _list(request: Request) -> Response:
    context, status = context_of(request), request.query_params.get("status") or None
    api = context.outbox.extension(Workflows)
    found = await context.read(("workflows", status), lambda: api.list(status=status))
    batches = await context.read("batches", api.batches.list)
    return render(request, "workflows.html", workflows=found, batches=batches)


async def _one(request: Request) -> Response:
    context, workflow_id = context_of(request), request.path_params["workflow"]
    api = context.outbox.extension(Workflows)
    try:
        found = await context.read(("workflow", workflow_id), lambda: api.get(workflow_id))
    except UnknownWorkflow as error:
        raise HTTPException(404, str(error)) from None
    nodes = drawn(found.steps)
    places = {node.step.name: node for node in nodes}
    edges = [(places[name], node) for node in nodes for name in node.step.after if name in places]
    size = (max((n.x for n in nodes), default=0) + WIDTH, max((n.y for n in nodes), default=0) + HEIGHT)
    return render(request, "workflow.html", workflow=found, nodes=nodes, edges=edges, size=size)


async def _kill(outbox: Outbox, target: str, _form: Form, act: dict[str, Any]) -> str:
    await outbox.extension(Workflows).kill(target, reason=act.get("reason"))
    return f"{target} is killed."


async def _retry(outbox: Outbox, target: str, form: Form, _act: dict[str, Any]) -> str:
    await outbox.extension(Workflows).retry(target, form.text("from") or None)
    return f"{target} goes on."


async def _rerun(outbox: Outbox, target: str, _form: Form, _act: dict[str, Any]) -> str:
    return f"It runs again as {(await outbox.extension(Workflows).rerun(target)).id}."


_FROM = Ask(name="from", label="Begin again at this step; empty: at what failed")
_ACTS = {
    "kill-workflow": Act(verb="Kill", text="What is pending is killed.", do=_kill, is_dangerous=True),
    "retry-workflow": Act(verb="Retry", text="What failed is done again.", do=_retry, asks=(_FROM,)),
    "rerun-workflow": Act(verb="Rerun", text="Another one begins, with the same input.", do=_rerun),
}
_TEMPLATES = Path(__file__).parent / "templates"

PAGES = (
    Page(path="/workflows", name="Workflows", handler=_list, templates=_TEMPLATES, acts=_ACTS),
    Page(path="/workflows/{workflow}", handler=_one, templates=_TEMPLATES),
)
