"""Functions as jobs: ``@tasks.task`` makes one of a function, ``enqueue`` makes one of a call."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sp00ky_core.plugins.hookspecs import deferred_names

if TYPE_CHECKING:  # each command looks for plugins, and few need this one
    from sp00ky_tasks.context import Context
    from sp00ky_tasks.control import GiveUp, Retry, Snooze, Wait
    from sp00ky_tasks.parameters import Call, Parameter
    from sp00ky_tasks.tasks import Task, TaskProblem, Tasks

__all__ = ["Context", "GiveUp", "Retry", "Snooze", "Task", "TaskProblem", "Tasks", "Wait"]
__all__ += ["Call", "Parameter"]

_CONTROL = dict.fromkeys(("GiveUp", "Retry", "Snooze", "Wait"), "control")
_PARAMETERS = dict.fromkeys(("Call", "Parameter"), "parameters")
_TASKS = dict.fromkeys(("Task", "TaskProblem", "Tasks"), "tasks")
_NAMES = {"Context": "context", **_CONTROL, **_PARAMETERS, **_TASKS}
__getattr__: Callable[[str], Any] = deferred_names(__name__, **_NAMES)
