"""Assert which calls of functions a test has enqueued; ``perform_jobs`` of the core performs them."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, ParamSpec, overload

from sp00ky_core import Job, Outbox
from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.sync import SyncOutbox
from sp00ky_core.testing import assert_enqueued as asserted
from sp00ky_tasks.tasks import Task

__all__ = ["assert_enqueued"]

P = ParamSpec("P")


@overload
def assert_enqueued(
    outbox: SyncOutbox, task: Task[P, Any], /, *args: P.args, **kwargs: P.kwargs
) -> list[Job]: ...


@overload
def assert_enqueued(
    outbox: Outbox, task: Task[P, Any], /, *args: P.args, **kwargs: P.kwargs
) -> Coroutine[Any, Any, list[Job]]: ...


def assert_enqueued(outbox: Any, task: Task[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Assert that one call was enqueued with at least these arguments; return its job, in a list.

    Awaited for an ``Outbox``. What else the job is to be is said by ``task.configure(...)``.
    """
    __tracebackhide__ = True
    expected = decode(task.payload(*args, **kwargs))
    return asserted(outbox, task.backend, task.path, expected, **task.options)
