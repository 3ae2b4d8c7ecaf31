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


def _does(name: str, said: str) -> Any:
    async def do(outbox: Outbox, target: str, form: Form, act: dict[str, Any]) -> str:
        given = {"from_step": form.text("from") or None} if name == "retry" else {}
        found = await getattr(outbox.extension(Workflows), name)(target, **given, **act)
        return said.format(target, found.id)

    return do


_FROM = Ask(name="from", label="Begin again at this step; empty: at what failed")
_ACTS = {
    f"{name}-workflow": Act(verb=name.capitalize(), text=text, do=_does(name, said), **more)
    for name, text, said, more in (
        ("kill", "What is pending is killed.", "{0} is killed.", {"is_dangerous": True}),
        ("retry", "What failed is done again.", "{0} goes on.", {"asks": (_FROM,)}),
        ("rerun", "Another one begins, with the same input.", "It runs again as {1}.", {}),
    )
}
_TEMPLATES = Path(__file__).parent / "templates"

PAGES = (
    Page(path="/workflows", name="Workflows", handler=_list, templates=_TEMPLATES, acts=_ACTS),
    Page(path="/workflows/{workflow}", handler=_one, templates=_TEMPLATES),
)
