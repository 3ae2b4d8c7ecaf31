"""Give a function what is no argument of its job: a parameter annotated with a ``Parameter``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any, Self

import attrs

from sp00ky_core import Attempt

if TYPE_CHECKING:
    from sp00ky_tasks.tasks import Task
    from sp00ky_transport_asgi.own_loop import Post

__all__ = ["Call", "Parameter", "parameter_kind", "parameters_of"]


@attrs.frozen(kw_only=True)
class Call:
    """What a parameter's value is made of.

    Attributes:
        attempt: The attempt that calls the function.
        task: The function.
        is_stopping: Tells whether the runner drains.
        home: Calls functions in the loop of the outbox.
        extension: Gives an extension's calls, which are made in that loop: ``Outbox.extension``.
        in_tests: ``perform_jobs`` calls it: nothing may wait.
    """

    attempt: Attempt
    task: Task[..., Any]
    is_stopping: Callable[[], bool]
    home: Post
    extension: Callable[[type[Any]], Any]
    in_tests: bool = False


class Parameter:
    """A base of classes that annotate such a parameter; each attempt has a value of its own."""

    @classmethod
    def outside(cls) -> Self:
        """Return the value where the function is called outside a job."""
        return cls()

    @classmethod
    def of(cls, call: Call) -> Self:
        """Return the value for an attempt."""
        raise NotImplementedError

    @classmethod
    def accept(cls, task: Task[..., Any], options: dict[str, Any]) -> None:
        """Complete a task's options where it is defined. Raises ``TaskProblem`` for one that can't be."""

    def called(self, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """Call the function for the attempt; awaited where it is an ``async def``."""
        return function(**arguments)

    def is_final(self, error: BaseException) -> bool:
        """Tell whether what the function has raised fails the job at once."""
        return False


def parameter_kind(function: Callable[..., Any], annotation: Any) -> type[Parameter] | None:
    """Return the ``Parameter`` that an annotation names, which may be text; None: it is an argument's."""
    if isinstance(annotation, str):
        annotation = _named(function, annotation)
    is_one = isinstance(annotation, type) and issubclass(annotation, Parameter)
    return annotation if is_one else None


def _named(function: Callable[..., Any], text: str) -> Any:
    first, *rest = text.split(".")
    known = getattr(function, "__globals__", {})
    if first in known:
        return reduce(lambda found, name: getattr(found, name, None), rest, known[first])
    # a name that is there for type checkers alone
    named = (kind for kind in Parameter.__subclasses__() if kind.__name__ == text.rpartition(".")[2])
    return next(named, None)


def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return a function's parameters that are arguments of its jobs."""
    parameters = inspect.signature(function).parameters
    return {
        name: given
        for name, given in parameters.items()
        if parameter_kind(function, given.annotation) is None
    }
