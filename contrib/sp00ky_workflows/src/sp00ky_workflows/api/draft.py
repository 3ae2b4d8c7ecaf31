"""Collect the steps of a new workflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, Unpack, overload, runtime_checkable

import attrs

from sp00ky_core.encoding.json_bytes import Payload, json_value
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.job.job import JobOptions
from sp00ky_workflows.calls import call_of
from sp00ky_workflows.errors import WorkflowInvalid
from sp00ky_workflows.model.graph import Call, Graph, OnFailure, Step, checked
from sp00ky_workflows.model.pauses import sleeping, waiting
from sp00ky_workflows.model.pointers import FROM, ITEM, reference

__all__ = ["Draft", "Function", "StepRef", "Undo", "as_call", "item"]


@runtime_checkable
class Function(Protocol):
    """A function that is a job: what ``@tasks.task`` of ``sp00ky-tasks`` returns."""

    @property
    def backend(self) -> str:
        """Whose jobs its are."""

    @property
    def path(self) -> str:
        """What its jobs' rows name it by."""

    @property
    def options(self) -> Mapping[str, Any]:
        """How its jobs are enqueued."""


Undo: TypeAlias = tuple[str, str, Payload] | tuple[Function, Mapping[str, Any]] | Call
"""A backend, a path and a payload; or a function and its arguments."""


@attrs.frozen
class StepRef:
    """A step of a workflow that is being made.

    Attributes:
        name: The step's name.
    """

    name: str

    def result(self, pointer: str = "") -> Any:
        """Return what stands for its result, or a part of that, in the payload of a later step.

        Args:
            pointer: A JSON pointer, as in ``/id``; empty: the whole.
        """
        return reference(self.name, pointer)


def item(pointer: str = "") -> Any:
    """Return what stands in the payload of a step with ``for_each`` for the item, or a part of it."""
    return reference(ITEM, pointer)


class Draft:
    """The steps of one new workflow.

    Attributes:
        name: The workflow's name.
        on_failure: What a failed step means for those that don't depend on it.
    """

    def __init__(self, name: str, on_failure: OnFailure | str = OnFailure.HALT) -> None:
        self.name: str = name
        try:
            self.on_failure: OnFailure = OnFailure(on_failure)
        except ValueError:
            problem = f"`on_failure` is {on_failure!r:.80}; write {' or '.join(OnFailure)}"
            raise WorkflowInvalid(workflow=name, step="", problem=problem) from None
        self._steps: list[Step] = []

    @overload
    def step(
        self,
        name: str,
        backend: str,
        path: str,
        payload: Payload | None = None,
        *,
        after: Iterable[StepRef | str] = ...,
        for_each: Any = ...,
        undo: Undo | None = ...,
        **options: Unpack[JobOptions],
    ) -> StepRef: ...

    @overload
    def step(
        self,
        *what: str | Function,
        after: Iterable[StepRef | str] = ...,
        for_each: Any = ...,
        undo: Undo | None = ...,
        **arguments: Any,
    ) -> StepRef: ...

    def step(
        self,
        *what: Any,
        after: Iterable[StepRef | str] = (),
        for_each: Any = None,
        undo: Undo | None = None,
        **given: Any,
    ) -> StepRef:
        """Add a step: a call of a backend, or of a function, whose arguments are given by name.

        A function with an argument called ``after``, ``for_each`` or ``undo`` is given as a backend, a path
        and a payload.

        Args:
            *what: The step's name, unique in the workflow, a backend's name, its operation's path, and a
                payload, which may hold results of other steps: they are waited for. Or a name and a function;
                or a function, whose name is taken.
            after: Steps that it waits for.
            for_each: A list in a result, as in ``a.result("/items")``, or ``"/items"`` of the one step in
                ``after``: the step is done once for each ``item()`` of it.
            undo: What undoes the step, where the workflow fails after it has succeeded.
            **given: Options as of ``Outbox.run``; or the function's arguments.

        Raises:
            WorkflowInvalid: It can be no step of this workflow.
        """
        if isinstance(what[-1] if what else None, Function):
            named: dict[str, Any] = {
                "name": what[0] if len(what) > 1 else what[-1].path.strip("/"),
                "backend": what[-1],
            }
        else:
            named = dict(zip(_OF_A_BACKEND, what, strict=False))
            named |= {key: given.pop(key) for key in _OF_A_BACKEND if key in given and key not in named}
        name, backend = str(named.get("name")), named.get("backend")
        try:
            call = _call(backend, named.get("path"), named.get("payload"), given)
            undoing = None if undo is None else as_call(undo)
        except (Sp00kyError, TypeError, ValueError) as error:
            raise WorkflowInvalid(workflow=self.name, step=name, problem=str(error)) from error
        self._steps.append(
            Step(
                **attrs.asdict(call, recurse=False),
                name=name,
                after=_names(after),
                for_each=_each(for_each),
                undo=undoing,
            )
        )
        return StepRef(name)

    def wait_for(
        self, signal: str, *, timeout: timedelta | None = None, after: Iterable[StepRef | str] = ()
    ) -> StepRef:
        """Add a step of a signal's name, without a job: it succeeds with what ``Workflows.signal`` gives it.

        Args:
            signal: The signal, and the step.
            timeout: From when all of ``after`` have succeeded; then it fails. None: it waits for ever.
            after: Steps that it waits for first.

        Raises:
            WorkflowInvalid: It can be no step of this workflow.
        """
        return self._pause(signal, after, lambda: waiting(signal, timeout))

    def sleep(
        self,
        name: str,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        after: Iterable[StepRef | str] = (),
    ) -> StepRef:
        """Add a step without a job, which succeeds so long after all of ``after``. Raises as ``wait_for``."""
        length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return self._pause(name, after, lambda: sleeping(length))

    def _pause(self, name: str, after: Iterable[StepRef | str], make: Callable[[], Call]) -> StepRef:
        try:
            values = attrs.asdict(make(), recurse=False)
        except (Sp00kyError, TypeError, ValueError) as error:
            raise WorkflowInvalid(workflow=self.name, step=str(name), problem=str(error)) from error
        self._steps.append(Step(**values, name=name, after=_names(after)))
        return StepRef(name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.write()

    async def write(self) -> None:
        """Write the steps down, at the end of the block."""
        raise NotImplementedError

    def graph(self) -> Graph:
        """Return what the steps make. Raises ``WorkflowInvalid``."""
        return checked(self.name, self._steps, self.on_failure)


def _call(backend: Any, path: str | None, payload: Any, options: Mapping[str, Any]) -> Call:
    if isinstance(backend, Function):
        enqueued = {name: value for name, value in backend.options.items() if name in _OPTIONS}
        return call_of(backend.backend, backend.path, json_value(options), enqueued)
    if not isinstance(backend, str) or not isinstance(path, str):
        raise TypeError("a step is a backend, a path and a payload; or a function and its arguments")
    return call_of(backend, path, payload, options)


_OF_A_BACKEND = ("name", "backend", "path", "payload")
_OPTIONS = frozenset(JobOptions.__annotations__)


def as_call(undo: Any) -> Call:
    """Return what a backend, a path and a payload say, or a function and its arguments."""
    if isinstance(undo, Call):
        return undo
    what, *rest = undo
    if isinstance(what, Function):
        return _call(what, None, None, rest[0] if rest else {})
    path, payload = (*rest, None, None)[:2]
    return _call(what, path, payload, {})


def _names(after: Iterable[StepRef | str]) -> tuple[str, ...]:
    return tuple(other.name if isinstance(other, StepRef) else other for other in after)


def _each(for_each: Any) -> str | None:
    if isinstance(for_each, Mapping):
        return str(for_each.get(FROM))
    return None if for_each is None else str(for_each)
