"""A parameter that is no argument: its class makes its values."""

import sys
from typing import Any

import pytest

from sp00ky_core.testing import perform_jobs
from sp00ky_tasks import Call, Parameter, Tasks


class Greeting(Parameter):
    """Says which job it is for, and asks for an extension."""

    def __init__(self, text: str = "outside") -> None:
        self.text = text

    @classmethod
    def of(cls, call: Call) -> "Greeting":
        return cls(f"{call.task.path} of {call.attempt.job.id}")

    @classmethod
    def accept(cls, task: Any, options: dict[str, Any]) -> None:
        options.setdefault("max_retries", 7)

    def called(self, function: Any, arguments: Any) -> Any:
        self.text = self.text.upper()
        return function(**arguments)


GREET = """
from tests.tasks.test_parameters import Greeting

@tasks.task
def greet(greeting: Greeting, name: str) -> str:
    return f"{greeting.text}, {name}"

@tasks.task
def also(greeting: "Greeting") -> str:
    return greeting.text
"""


async def test_its_class_makes_a_value_for_each_attempt(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = GREET.replace("tests.tasks.test_parameters", "given_here")
    monkeypatch.setitem(sys.modules, "given_here", sys.modules[__name__])
    functions = project.write(source)
    outbox = project.in_tests()
    job = await functions.greet.enqueue(outbox, name="Ada")
    assert job.max_retries == 7
    (done,) = await perform_jobs(outbox)
    assert done.result == f"/GREET OF {job.id.upper()}, Ada"


def test_a_call_outside_a_job_has_the_value_for_that() -> None:
    tasks = Tasks("shop")

    @tasks.task
    def greet(greeting: Greeting, name: str) -> str:
        return f"{greeting.text}, {name}"

    assert greet("Ada") == "outside, Ada"
    assert greet.names == ("name",)
