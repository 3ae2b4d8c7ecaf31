"""What follows from steps that have ended, checked against graphs that Hypothesis draws."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sp00ky_workflows.model.advance import StepState, begun_again, members, undo_chain
from sp00ky_workflows.model.graph import Call, Graph, Step, StepStatus, checked

UNDO = Call(backend="shop", path="/undo")


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    steps = list[Step]()
    for n in range(draw(st.integers(1, 12))):
        after = draw(st.sets(st.sampled_from(range(n)))) if n else set()
        undo = draw(st.sampled_from([None, UNDO]))
        names = tuple(f"s{other}" for other in sorted(after))
        steps.append(Step(name=f"s{n}", backend="shop", path="/a", after=names, undo=undo))
    return checked("flow", draw(st.permutations(steps)))


@given(graphs(), st.randoms(use_true_random=False))
def test_each_is_ready_once_all_that_it_needs_has_succeeded(graph: Graph, random: object) -> None:
    steps = {step.name: step for step in graph.steps}
    left = {name: len(step.after) for name, step in steps.items()}
    done = list[str]()
    ready = [name for name, waits in left.items() if not waits]
    while ready:
        name = ready.pop(random.randrange(len(ready)))  # type: ignore[attr-defined]
        done.append(name)
        for other in steps[name].then:
            left[other] -= 1
            if not left[other]:
                ready.append(other)
    assert Counter(done) == Counter(steps.keys())
    assert all(done.index(other) < done.index(name) for name in steps for other in steps[name].after)


@given(graphs(), st.data())
def test_what_is_undone_is_what_succeeded_behind_before_in_front(graph: Graph, data: st.DataObject) -> None:
    succeeded = data.draw(st.sets(st.sampled_from([step.name for step in graph.steps])))
    chain = undo_chain(graph, [step for step in graph.steps if step.name in succeeded])
    wanted = [step.name for step in reversed(graph.steps) if step.name in succeeded and step.undo]
    assert [step.name for step in chain] == [f"undo:{name}" for name in wanted]
    assert [step.then for step in chain] == [(name,) for name in [f"undo:{n}" for n in wanted][1:]] + [
        ()
    ] * bool(wanted)
    assert all(step.options["max_retries"] == 100 for step in chain)


@given(graphs(), st.data())
def test_what_is_begun_again_is_all_that_depends_on_it(graph: Graph, data: st.DataObject) -> None:
    steps = {step.name: step for step in graph.steps}
    first = data.draw(st.sets(st.sampled_from([*steps]), min_size=1))
    states = {name: StepState(step=step, status=StepStatus.SUCCESS) for name, step in steps.items()}
    again = begun_again(states, first)
    reached, new = {*first}, {*first}
    while new:
        new = {name for other in new for name in steps[other].then} - reached
        reached |= new
    assert {*again} == reached
    for name, state in again.items():
        assert state.status is StepStatus.WAITING
        assert state.waits_for == len(reached.intersection(steps[name].after))


def spread() -> dict[str, StepState]:
    graph = checked(
        "flow",
        [
            Step(name="a", backend="shop", path="/a"),
            Step(name="b", backend="shop", path="/b", after=("a",), for_each="/items"),
            Step(name="c", backend="shop", path="/c", after=("b",)),
        ],
    )
    a, b, c = graph.steps
    whole = Step(
        **{
            **{f: getattr(b, f) for f in ("name", "backend", "path", "after", "then", "for_each")},
            "members": 2,
        }
    )
    ones = members(b, ["x", "y"])
    ended = (StepStatus.SUCCESS, StepStatus.FAILED)
    states = {one.name: StepState(step=one, status=status) for one, status in zip(ones, ended, strict=True)}
    states |= {
        "a": StepState(step=a, status=StepStatus.SUCCESS),
        "b": StepState(step=whole, status=StepStatus.FAILED),
    }
    return states | {"c": StepState(step=c, status=StepStatus.SKIPPED)}


def test_a_failed_item_is_done_again_alone() -> None:
    again = begun_again(spread(), {"b[1]", "b", "c"} - {"b"})
    assert {name: state.waits_for for name, state in again.items()} == {"b[1]": 0, "b": 1, "c": 1}
    assert again["b"].step.members == 2


def test_a_list_is_read_again_where_what_it_is_from_is_done_again() -> None:
    again = begun_again(spread(), {"a"})
    assert {name: state.waits_for for name, state in again.items()} == {"a": 0, "b": 1, "c": 1}
    assert again["b"].step.members is None
