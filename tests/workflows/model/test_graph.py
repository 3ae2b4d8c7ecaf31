"""What can be no workflow, and how a graph is kept."""

from typing import Any

import pytest

from sp00ky_workflows import OnFailure, WorkflowInvalid
from sp00ky_workflows.model.graph import MOST_STEPS, Call, Step, checked, read_graph


def step(name: str, *after: str, **fields: Any) -> Step:
    return Step(name=name, backend="shop", path="/a", after=after, **fields)


@pytest.mark.parametrize(
    ("steps", "named", "problem"),
    [
        ([], "", "it has 0 steps"),
        ([step("a", "b"), step("b", "c"), step("c", "a")], "", "it waits for itself"),
        ([step("a", "a")], "a", "a -> a"),
        ([step("a"), step("b", "aa")], "b", "needs the step 'aa'.*'a'"),
        ([step("a"), step("a")], "a", "two steps of this name"),
        ([step("input")], "input", "workflow's input"),
        ([step("a/b")], "a/b", "is no name"),
        ([step("a", payload={"x": [{"$from": "b/id"}]})], "a", "needs the step 'b'"),
        ([step("a", payload={"x": {"$from": "/id"}})], "a", "no `for_each`"),
        ([step("a", for_each="/items")], "a", "the one step in `after`"),
        ([step("a", undo=Call(backend="b", path="/", payload={"x": {"$from": "c"}}))], "a", "'c'"),
        ([step(f"s{n}") for n in range(MOST_STEPS + 1)], "s10000", "10,001 steps"),
    ],
)
def test_what_can_be_none_is_refused_with_the_step(steps: list[Step], named: str, problem: str) -> None:
    with pytest.raises(WorkflowInvalid, match=problem) as caught:
        checked("flow", steps)
    assert caught.value.step == named or (named == "" and caught.value.step in {"", "a", "b", "c"})
    assert "workflow 'flow'" in str(caught.value)


def test_references_are_waited_for_and_each_knows_its_neighbours() -> None:
    undo = Call(backend="shop", path="/undo", payload={"id": {"$from": "b/id"}, "a": {"$from": "a"}})
    given = [
        step("c", "b", payload={"deep": [{"x": {"$from": "a/id"}}, {"$from": "input/n"}]}),
        step("b", undo=undo),
        step("a"),
        step("d", for_each="c/items", payload={"n": {"$from": "/n"}}),
    ]
    graph = checked("flow", given, OnFailure.CONTINUE)
    said = {one.name: (one.after, one.then, one.halt) for one in graph.steps}
    assert said == {
        "a": ((), ("c", "b"), False),
        "b": (("a",), ("c",), False),
        "c": (("b", "a"), ("d",), False),
        "d": (("c",), (), False),
    }
    names = [one.name for one in graph.steps]
    assert all(names.index(other) < names.index(one.name) for one in graph.steps for other in one.after)
    assert read_graph(graph.text) == graph


def test_ten_thousand_steps_are_a_graph() -> None:
    steps = [step("first"), *(step(f"s{n}", "first") for n in range(MOST_STEPS - 2))]
    steps.append(step("last", *(one.name for one in steps[1:])))
    assert len(checked("flow", steps).steps) == MOST_STEPS
