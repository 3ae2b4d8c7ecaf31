"""Every hook: when it fires, what None means, and what raising does.

Registration and decision hooks are synchronous. Observers may be ``async def``; they are isolated: one that
raises, or an asynchronous one that takes longer than 1 s, is logged with its plugin's name and changes
nothing. One that blocks the event loop for 0.5 s is named in a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import pluggy

from sp00ky_core.config import BackendConfig
from sp00ky_core.error_texts import refuse_former_name
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.job.outcome import Outcome
from sp00ky_core.job.retry import RetryPolicy, Strategy
from sp00ky_core.job.state_machine import Transition
from sp00ky_core.ports import Attempt, Extension, StoreFactory, TransportFactory

if TYPE_CHECKING:
    import click  # applications that only enqueue don't load it

__all__ = ["PROJECT", "hookimpl", "hookspec"]
__all__ += ["deferred", "deferred_names"]

PROJECT = "sp00ky"
"""The group of entry points that plugins are found by, and pluggy's name of the project."""

hookspec: pluggy.HookspecMarker = pluggy.HookspecMarker(PROJECT)
"""Marks a function as the declaration of a hook: here, or of observers in an extension's plugin."""

Function = TypeVar("Function", bound=Callable[..., Any])
OnError = Literal["log", "fail"]

ON_ERROR = "sp00ky_on_error"
"""The attribute of an implementation that was marked with ``on_error``."""


_mark = pluggy.HookimplMarker(PROJECT)


@overload
def hookimpl(function: Function) -> Function: ...


@overload
def hookimpl(
    function: None = None, *, on_error: OnError = "log", **options: Any
) -> Callable[[Function], Function]: ...


def hookimpl(
    function: Function | None = None, *, on_error: OnError = "log", **options: Any
) -> Function | Callable[[Function], Function]:
    """Mark a plugin's implementation of a hook, as pluggy's marker does, whose options it takes.

    ``on_error="fail"`` is for ``sp00ky_request_headers`` whose headers no request may lack.
    """

    def mark(marked: Function) -> Function:
        setattr(marked, ON_ERROR, on_error)
        return _mark(marked, **options)

    return mark if function is None else mark(function)


@hookspec
def sp00ky_register_stores() -> Mapping[str, StoreFactory]:  # type: ignore[empty-body]  # a specification
    """Register stores by the scheme of their URL, as in ``{"surrealkv": factory}``.

    Fires once, while plugins are loaded, before anything is opened. None registers nothing. Raising, or a
    scheme that another plugin has registered, is a ``PluginLoadError``.
    """


@hookspec
def sp00ky_register_extensions() -> Mapping[str, Extension]:  # type: ignore[empty-body]  # a specification
    """Register extensions by the key of sp00ky.yml that each reads: ``{"webhooks": WebhooksExtension()}``.

    Fires once, while plugins are loaded, before anything is opened. None registers nothing. One that raises
    is left out, with a warning and a finding of ``sp00ky check`` that name its distribution. So is one whose
    key another plugin, or the outbox itself, reads, and one with a table of another's name. Jobs are
    delivered without it.
    """


@hookspec
def sp00ky_register_transports() -> Mapping[str, TransportFactory]:  # type: ignore[empty-body]  # a specification
    """Register transports by the scheme of the ``baseUrl`` that they deliver to, as in ``{"http": factory}``.

    A backend may also name one by its key ``transport``. Fires once, while plugins are loaded. None registers
    nothing. Raising, or a scheme that another plugin has registered, is a ``PluginLoadError``.
    """


@hookspec
def sp00ky_register_retry_strategies() -> Mapping[str, Strategy]:  # type: ignore[empty-body]  # a specification
    """Register retry strategies by the name that a job's ``retry_strategy`` gives.

    Fires once, while plugins are loaded. None registers nothing. Raising, or a name that is built in or
    that another plugin has registered, is a ``PluginLoadError``. A strategy that raises when it is asked
    counts as one that says "the cap".
    """


@hookspec
def sp00ky_register_commands() -> Mapping[str, click.Command]:  # type: ignore[empty-body]  # a specification
    """Register commands of ``sp00ky`` by their names, as in ``{"haunt": command}``.

    Fires once, while plugins are loaded: import what a command needs when it runs. A built-in command of the
    same name goes first. None registers nothing. Raising, or a name that another plugin has registered, is a
    ``PluginLoadError``.
    """


@hookspec(firstresult=True)
def sp00ky_classify_outcome(job: Job, backend: BackendConfig, outcome: Outcome) -> Outcome | None:
    """Decide what an attempt's outcome counts as: the first result that isn't None.

    Fires after the attempt and before anything is written. None leaves it to the next plugin, at last to
    the built-in rule (``giveUpOn``). An ``Undelivered`` named ``throttled`` uses up no retry: its job is
    deferred. Raising is logged, and the built-in rule decides. Synchronous: ``async def`` is refused at load.
    """


@hookspec(firstresult=True)
def sp00ky_retry_policy(job: Job, backend: BackendConfig) -> RetryPolicy | None:
    """Choose the policy of a job whose attempt failed: the first result that isn't None.

    Fires before anything is written. None leaves it to the next plugin, at last to the built-in rule (the
    row's ``max_retries`` and ``retry_strategy``, the backend's ``retry``). A policy may allow fewer retries
    than the row, never more. Raising is logged, and the built-in rule decides. Synchronous: ``async def`` is
    refused at load.
    """


@hookspec(firstresult=True)
def sp00ky_traceparent(job: NewJob, backend: BackendConfig) -> str | None:
    """Choose the trace context of a job that is enqueued without one: the first result that isn't None.

    Fires before the job is written, once it has been checked, in this process's ``run``, ``run_many``,
    ``statement`` and ``copy``, and for no job that an extension makes. None leaves it without. Raising, or a
    result that is no W3C traceparent, is logged, and the job has none. Synchronous: ``async def`` is refused
    at load.
    """


@hookspec
def sp00ky_request_headers(job: Job, backend: BackendConfig) -> Mapping[str, str] | None:
    """Return headers to add to a job's request; every plugin's are merged.

    Fires before the request is sent. None adds nothing. ``Authorization``, ``Host``, hop-by-hop headers and
    values with control characters are dropped, and logged. A ``traceparent`` takes the place of the job's.
    Raising is logged, and that plugin's headers are left out; so is one that is dropped. Marked with
    ``@hookimpl(on_error="fail")``, either fails the attempt instead, as ``hook_failed``, and nothing is sent.
    Synchronous: ``async def`` is refused at load.
    """


@hookspec
def sp00ky_job_enqueued(jobs: Sequence[Job]) -> None:
    """Observe an enqueue: jobs were added by this process's ``run``, ``run_many`` or ``copy``.

    Among them are those that a ``dedup_key`` found. Fires after the write; with ``connection``, before the
    caller's commit, which may never come. Jobs that an extension makes don't fire it.
    In a ``SyncOutbox`` it is called in the thread of ``run``; an asynchronous one runs on the outbox's event
    loop then, which is started for it, and ``run`` doesn't wait for it. The return value is ignored. Raising
    changes nothing.
    """


@hookspec
def sp00ky_jobs_claimed(jobs: Sequence[Job], runner_id: str) -> None:
    """Observe a claim: this runner has these jobs now.

    Fires after the claim is committed and before the first attempt. The return value is ignored. Raising
    changes nothing.
    """


@hookspec
def sp00ky_attempt_started(attempt: Attempt) -> None:
    """Observe the begin of an attempt.

    Fires before its request is sent, or isn't, where it ends as ``hook_failed``; the claim is committed. The
    return value is ignored. Raising changes nothing.
    """


@hookspec
def sp00ky_attempt_finished(attempt: Attempt, outcome: Outcome, seconds: float) -> None:
    """Observe the end of an attempt, and what is counted of it (after ``sp00ky_classify_outcome``).

    Fires before the outcome is written. The return value is ignored. Raising changes nothing.
    """


@hookspec
def sp00ky_job_settled(job: Job, transition: Transition) -> None:
    """Observe a durable transition; ``job`` is as it was claimed, of a reclaim or a kill as it is now.

    Fires after the commit, once, in the process that wrote it (reclaims and kills included; an operator's
    retry and reschedule fire nothing). The return value is ignored. Raising changes nothing.
    """


@hookspec
def sp00ky_lease_lost(job_id: str, runner_id: str, reason: str) -> None:
    """Observe an outcome that could not be written: another runner has the job now, or it is gone.

    Fires after the refused write; nothing was written. The return value is ignored. Raising changes nothing.
    """


@hookspec
def sp00ky_runner_started(runner_id: str) -> None:
    """Observe a start: the runner has beaten for the first time and is about to claim.

    Fires after that beat is committed. The return value is ignored. Raising changes nothing.
    """


@hookspec
def sp00ky_runner_stopped(runner_id: str) -> None:
    """Observe a stop: the runner has drained, everything it held is settled or released.

    Fires after the last write. The return value is ignored. Raising changes nothing.
    """


@hookspec
def sp00ky_pause_changed(backend: str, paused: bool) -> None:
    """Observe an operator's pause (``paused`` is true) or resume of a backend.

    Fires after the change is committed, once: in the process that made it, and not where the backend was
    so already. A pause that ends by its time fires nothing. The return value is ignored. Raising changes
    nothing.
    """


@hookspec
def sp00ky_breaker_changed(backend: str, state: str) -> None:
    """Observe a breaker that opened (``state`` is ``open``) or closed (``closed``); probes change neither.

    Fires after the change is committed, once in the whole fleet: in the process that made it. (Not at all
    where the reply to that write was lost.) The return value is ignored. Raising changes nothing.
    """


def deferred(name: str) -> Callable[..., Any]:
    """Return what calls a function, or makes one of a class, ``MODULE:NAME``, which is imported by then."""
    module, _, attribute = name.partition(":")

    def called(*arguments: Any, **options: Any) -> Any:
        return getattr(import_module(module), attribute)(*arguments, **options)

    return called


def deferred_names(package: str, **modules: str) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package: it imports a name, asked for, from its module below there."""

    def named(name: str) -> Any:
        if name not in modules:
            refuse_former_name(package, name)
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return named
