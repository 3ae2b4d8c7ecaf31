"""Tell a function which attempt of which job it is called for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Self

import attrs

from sp00ky_tasks.parameters import Call, Parameter

__all__ = ["Context"]


_NEVER = datetime.max.replace(tzinfo=UTC)


@attrs.frozen(kw_only=True)
class Context(Parameter):
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

    @classmethod
    def of(cls, call: Call) -> Self:
        """See ``Parameter.of``."""
        return cls(
            job_id=call.attempt.job.id,
            attempt=call.attempt.number,
            last=call.attempt.last,
            deadline=datetime.now(UTC) + timedelta(seconds=call.attempt.timeout),
            is_stopping=call.is_stopping,
        )
