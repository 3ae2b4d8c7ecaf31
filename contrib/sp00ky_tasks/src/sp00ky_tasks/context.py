"""Tell a function which attempt of which job it is called for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

__all__ = ["Context", "parameters_of"]


_NEVER = datetime.max.replace(tzinfo=UTC)


@attrs.frozen(kw_only=True)
class Context:
    """What a function's first parameter is, where it is annotated so; it is no argument of the job.

    Attributes:
        job_id: The job's id, the same in each attempt; empty: the function was called outside a job.
        attempt: 1 for the first.
        last: No retry is left.
        deadline: When its time is over.
    """

    job_id: str = ""
    attempt: int = 1
    last: bool = True
    deadline: datetime = _NEVER
    _is_stopping: Callable[[], bool] = attrs.field(default=lambda: False, repr=False, eq=False)

    @property
    def stopping(self) -> bool:
        """Whether its runner drains: what isn't done by the end of its ``--grace`` is cut off."""
        return self._is_stopping()


_NAMES = (Context, "Context", "sp00ky_tasks.Context")
"""How an annotation is written that asks for it; where annotations are texts, they aren't read for that."""


def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return a function's parameters, the one for the context left out."""
    parameters = inspect.signature(function).parameters
    return {name: given for name, given in parameters.items() if given.annotation not in _NAMES}
