"""Functions as jobs: ``@tasks.task`` makes one of a function, ``enqueue`` makes one of a call."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sp00ky_core.plugins.hookspecs import deferred_names

if TYPE_CHECKING:  # each command looks for plugins, and few need this one
    from sp00ky_tasks.context import Context
    from sp00ky_tasks.control import GiveUp, Retry, Snooze
    from sp00ky_tasks.tasks import Task, TaskProblem, Tasks

__all__ = ["Context", "GiveUp", "Retry", "Snooze", "Task", "TaskProblem", "Tasks"]

_CONTROL = dict.fromkeys(("GiveUp", "Retry", "Snooze"), "control")
_TASKS = dict.fromkeys(("Task", "TaskProblem", "Tasks"), "tasks")
__getattr__: Callable[[str], Any] = deferred_names(__name__, Context="context", **_CONTROL, **_TASKS)
