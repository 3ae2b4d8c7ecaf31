"""Make jobs of functions: ``Tasks``, its decorator, and what that returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, Unpack, overload

from sp00ky_core.error_texts import nearest
from sp00ky_core.errors import OptionInvalid, Sp00kyError
from sp00ky_core.job.job import JobOptions
from sp00ky_core.outbox.enqueue import new_job_of
from sp00ky_openapi import path_problem
from sp00ky_tasks.parameters import Parameter, parameter_kind, parameters_of

if TYPE_CHECKING:
    from sp00ky_tasks.schema import Signature

__all__ = ["Task", "TaskProblem", "Tasks"]

P = ParamSpec("P")
R = TypeVar("R")
J = TypeVar("J")
J_co = TypeVar("J_co", covariant=True)

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class TaskProblem(Sp00kyError):
    """A function can't be a job; says which, why, and what to do."""


class Enqueues(Protocol[J_co]):
    """An outbox: ``Outbox``, whose ``run`` is awaited, ``SyncOutbox``, or Django's."""

    @property
    def run(self) -> Callable[..., J_co]:
        """Enqueue a call of a backend."""


class EnqueueOptions(JobOptions, total=False):
    """What ``configure`` takes: how a job is enqueued.

    Attributes:
        connection: Yours, as of ``run``: the job is there when its transaction commits.
        autocommit: As of ``SyncOutbox.run``.
    """

    connection: Any
    autocommit: bool


_ENQUEUE_OPTIONS = EnqueueOptions.__required_keys__ | EnqueueOptions.__optional_keys__


class TaskOptions(JobOptions, total=False):
    """What ``@tasks.task(...)`` takes, and how jobs are enqueued where ``configure`` doesn't say.

    Attributes:
        name: What rows call it; by default the function's name.
        aliases: What rows called it before.
        retry_on: What it may raise so that its job is tried again; by default any ``Exception``.
        give_up_on: What it may raise so that its job fails at once, whatever ``retry_on`` says.
    """

    name: str
    aliases: Sequence[str]
    retry_on: Sequence[type[Exception]]
    give_up_on: Sequence[type[Exception]]


class Task(Generic[P, R]):
    """A function that is a job, and still the function.

    Attributes:
        backend: Whose jobs its are.
        function: The function.
        path: What its jobs' rows name it by.
        options: How its jobs are enqueued.
        retry_on: See ``TaskOptions``.
        give_up_on: Likewise.
        is_async: It is called in the application's loop, else in a thread.
        context: The name of its parameter that is no argument; empty: it has none.
        kind: What that is annotated with.
        names: Those of its arguments.
    """

    def __init__(self, backend: str, function: Callable[..., Any], path: str, options: TaskOptions) -> None:
        self.backend: str = backend
        self.function: Callable[..., Any] = function
        self.path: str = path
        self.retry_on: tuple[type[Exception], ...] = self._classes(options.pop("retry_on", (Exception,)))
        self.give_up_on: tuple[type[Exception], ...] = self._classes(options.pop("give_up_on", ()))
        stated: Any = {**options}
        self.options: Mapping[str, Any] = stated
        self.is_async: bool = inspect.iscoroutinefunction(function)
        parameters, given = inspect.signature(function).parameters, parameters_of(function)
        self.context: str = next((name for name in parameters if name not in given), "")
        self.kind: type[Parameter] | None = None
        if self.context:
            self.kind = parameter_kind(function, parameters[self.context].annotation)
        self.names: tuple[str, ...] = tuple(given)
        update_wrapper(self, function)
        if len(parameters) > len(given) + 1:
            raise TaskProblem(f"{self}: several of its parameters are no arguments; leave one")
        if self.kind is not None:
            self.kind.accept(self, stated)
        if unnamed := [str(parameter) for parameter in given.values() if parameter.kind not in _NAMED]:
            raise TaskProblem(f"{self}: {unnamed[0]} can't be an argument of a job; give each a name")
        if problem := path_problem(path):
            raise TaskProblem(f"{self}: its name can't be a path: {problem}; give it another `name`")
        try:
            new_job_of(path, None, stated)
        except (TypeError, OptionInvalid) as error:
            raise TaskProblem(f"{self}: {error}") from None

    def _classes(self, given: Any) -> tuple[type[Exception], ...]:
        is_list = isinstance(given, Sequence)
        if is_list and all(isinstance(kind, type) and issubclass(kind, Exception) for kind in given):
            return tuple(given)
        wanted = "expected classes of exceptions, as in [ValueError]"
        raise TaskProblem(f"{self}: retry_on or give_up_on is {given!r:.100}; {wanted}")

    def __str__(self) -> str:
        return f"{self.function.__module__}.{self.function.__qualname__}"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function, here and now; one that wants a ``Context`` gets one of no job."""
        given: dict[str, Any] = kwargs
        if self.kind and self.context not in kwargs and not any(isinstance(arg, self.kind) for arg in args):
            given, args = {self.context: self.kind.outside(), **self._named(*args, **kwargs)}, ()  # type: ignore[assignment]
        return self.function(*args, **given)  # type: ignore[no-any-return]  # it is what P and R are of

    def _named(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if len(args) > len(self.names):
            raise TypeError(f"{self} takes {len(self.names)} arguments, and was given {len(args)}")
        if unknown := kwargs.keys() - {*self.names[len(args) :]}:
            raise TypeError(f"{self} takes no {min(unknown)!r} here; {nearest(min(unknown), self.names)}")
        return {**dict(zip(self.names, args, strict=False)), **kwargs}

    @cached_property
    def signature(self) -> Signature:
        """What it takes and returns. Raises ``TaskProblem``."""
        from sp00ky_tasks.schema import Signature  # noqa: PLC0415  # Pydantic, where it is first needed

        try:
            made = Signature(self.function)
        except Exception as error:  # whatever Pydantic or an annotation raises
            said = str(error).partition("\n")[0].partition(". ")[0][:200]
            raise TaskProblem(
                f"{self}: an annotation has no schema: {type(error).__name__}: {said}"
            ) from error
        if made.bad_default:
            raise TaskProblem(f"{self}: the type of {made.bad_default!r} refuses its default; change one")
        return made

    def payload(self, *args: P.args, **kwargs: P.kwargs) -> bytes:
        """Return the payload of a call: an object by the names of its parameters. Raises ``TypeError``."""
        return self.signature.dump(self._named(*args, **kwargs))

    def enqueue(self, outbox: Enqueues[J], /, *args: P.args, **kwargs: P.kwargs) -> J:
        """Enqueue a call; awaited for an ``Outbox``. Raises as its ``run``, and ``TypeError``."""
        return outbox.run(self.backend, self.path, self.payload(*args, **kwargs), **self.options)

    def configure(self, **options: Unpack[EnqueueOptions]) -> Task[P, R]:
        """Return it with options for what is enqueued: ``task.configure(delay=...).enqueue(...)``.

        Raises:
            TypeError: no such option; names the nearest.
        """
        for name in options:
            if name not in _ENQUEUE_OPTIONS:
                raise TypeError(f"configure takes no option {name!r}; {nearest(name, _ENQUEUE_OPTIONS)}")
        other: Task[P, R] = object.__new__(Task)
        vars(other).update(vars(self), options={**self.options, **options})
        return other


K = TypeVar("K", bound=Parameter)


class Makes(Protocol):
    """A decorator that makes a ``Task`` of a function."""

    @overload
    def __call__(self, function: Callable[Concatenate[K, P], R], /) -> Task[P, R]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


class Tasks:
    """The functions of one backend.

    Attributes:
        backend: Its name in sp00ky.yml.
        by_path: The tasks by path, those of aliases too.
    """

    def __init__(self, backend: str) -> None:
        self.backend: str = backend
        self.by_path: dict[str, Task[..., Any]] = {}

    @overload
    def task(self, function: Callable[Concatenate[K, P], R], /) -> Task[P, R]: ...

    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...

    @overload
    def task(self, **options: Unpack[TaskOptions]) -> Makes: ...

    def task(self, *function: Any, **options: Any) -> Any:
        """Make a job of a function: ``@tasks.task`` or ``@tasks.task(max_retries=5)``; see ``TaskOptions``.

        An ``async def`` is called in the application's own loop, a ``def`` in a thread.

        Raises:
            TaskProblem: another has its name, or its signature can't be a job's.
        """
        return self._add(*function, **options) if function else lambda given: self._add(given, **options)

    def _add(self, function: Any, name: str = "", aliases: Sequence[str] = (), **options: Any) -> Any:
        yields = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
        if yields or not inspect.isfunction(function):
            raise TaskProblem(f"{function!r:.100} can't be a job; write a def or an async def that returns")
        if isinstance(aliases, str):
            raise TaskProblem(f"{function.__qualname__}: aliases is {aliases!r:.100}; expected a list")
        paths = [f"/{text}" for text in (name or function.__name__, *aliases)]
        made: Task[..., Any] = Task(self.backend, function, paths[0], options)  # type: ignore[arg-type]
        for path in paths:
            if other := self.by_path.get(path):
                raise TaskProblem(f"{made} and {other} are both called {path[1:]!r}; give one another `name`")
            self.by_path[path] = made
        return made
