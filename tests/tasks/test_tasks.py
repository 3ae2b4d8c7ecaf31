"""What can be a task, and how one is enqueued."""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from tests.tasks.conftest import Project

from sp00ky_core import PayloadTooLarge
from sp00ky_core.sync import SyncOutbox
from sp00ky_tasks import Context, TaskProblem, Tasks

SHOP = """
@tasks.task(max_retries=5, priority=1)
def send(order: int, to: str = "boo") -> str: return f"{order}{to}"

@tasks.task
def told(context: Context, n: int) -> tuple[str, int]: return context.job_id, n
"""


def gathers(*orders: int) -> None: ...


def gathers_nothing() -> None: ...


def positional(order: int, /) -> None: ...


@pytest.mark.parametrize("function", [gathers, positional])
def test_each_argument_has_a_name(function: Any) -> None:
    with pytest.raises(TaskProblem, match="can't be an argument of a job; give each a name"):
        Tasks("shop").task(function)


def test_two_functions_of_one_name_are_both_named() -> None:
    tasks = Tasks("shop")
    tasks.task(name="send")(lambda: None)
    for again in ({"name": "send"}, {"name": "other", "aliases": ["send"]}):
        with pytest.raises(TaskProblem, match=r"are both called 'send'; give one another `name`"):
            tasks.task(**again)(lambda: None)  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["a b", "..", "a?b"])
def test_a_name_that_is_no_path_is_refused(name: str) -> None:
    with pytest.raises(TaskProblem, match="its name can't be a path"):
        Tasks("shop").task(name=name)(lambda: None)


def yields() -> Iterator[int]:
    yield 1


async def yields_later() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    "function", [yields, yields_later, partial(yields), Tasks, Tasks("x").task(lambda: 1), 7]
)
def test_only_what_returns_can_be_a_job(function: Any) -> None:
    with pytest.raises(TaskProblem, match=r"can't be a job; write a def or an async def that returns$"):
        Tasks("shop").task(function)


def test_one_parameter_is_for_the_context() -> None:
    def two(one: Context, other: Context) -> None: ...

    with pytest.raises(TaskProblem, match="two: several of its parameters are no arguments; leave one"):
        Tasks("shop").task(two)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"aliases": "old"}, "aliases is 'old'; expected a list"),
        (
            {"retry_on": OSError},
            "retry_on or give_up_on is <class 'OSError'>; expected classes of exceptions",
        ),
        (
            {"give_up_on": (OSError(),)},
            "retry_on or give_up_on is (OSError(),); expected classes of exceptions",
        ),
        ({"max_retries": -1}, "max_retries is -1; expected an integer from 0 to 1000"),
        ({"timeout": "1s"}, "timeout is '1s'; expected seconds"),
        ({"max_retires": 1}, "a job has no option 'max_retires'; did you mean 'max_retries'"),
    ],
)
def test_options_are_checked_at_import(options: Any, says: str) -> None:
    with pytest.raises(TaskProblem, match=f"gathers_nothing: {re.escape(says)}"):
        Tasks("shop").task(**options)(gathers_nothing)


async def test_options_of_the_decorator_and_of_the_call(project: Project) -> None:
    shop = project.write(SHOP)
    async with project.outbox() as outbox:
        job = await shop.send.configure(delay=timedelta(hours=1), priority=2).enqueue(outbox, order=7)
        plain = await shop.send.enqueue(outbox, 8)
    assert (job.max_retries, job.priority, plain.priority) == (5, 2, 1)
    assert job.run_at > plain.run_at
    assert (job.path, job.payload) == ("/send", {"order": 7})


async def test_a_context_is_no_argument(project: Project) -> None:
    shop = project.write(SHOP)
    async with project.outbox() as outbox:
        assert (await shop.told.enqueue(outbox, 3)).payload == {"n": 3}
    assert shop.told(3) == shop.told(n=3) == ("", 3)
    assert shop.told(Context(job_id="job:1"), 3) == ("job:1", 3)


def test_misspelt_and_surplus_arguments_are_refused(project: Project) -> None:
    shop = project.write(SHOP)
    with SyncOutbox(project.outbox()) as outbox:
        assert shop.send.configure(autocommit=True).enqueue(outbox, 7).payload == {"order": 7}
        with pytest.raises(TypeError, match=r"takes no 'ordre' here; did you mean 'order'\?"):
            shop.send.configure(autocommit=True).enqueue(outbox, ordre=7)
        with pytest.raises(TypeError, match="takes 2 arguments, and was given 3"):
            shop.send.enqueue(outbox, 1, 2, 3)
        with pytest.raises(PayloadTooLarge):
            shop.send.configure(autocommit=True).enqueue(outbox, 1, "x" * 2_000_000)


def test_a_misspelt_option_is_refused_where_it_is_written(project: Project) -> None:
    shop = project.write(SHOP)
    with pytest.raises(TypeError, match=r"takes no option 'max_retry'; did you mean 'max_retries'\?"):
        shop.send.configure(max_retry=1)


def test_classes_of_exceptions_may_be_a_list() -> None:
    assert Tasks("api").task(name="listed", retry_on=[OSError])(_no_op).retry_on == (OSError,)


def _no_op() -> None: ...
