"""Answer attempts as a test says, by their operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from inspect import isawaitable
from typing import TypeAlias, cast

from sp00ky_core.encoding.json_bytes import JsonText, encode
from sp00ky_core.encoding.payload_json import Payload, json_value
from sp00ky_core.job import Job
from sp00ky_core.outcome import HTTP_STATUS, OUTCOME_UNKNOWN, THROTTLED, Delivered, Outcome, Undelivered
from sp00ky_core.ports import Attempt

__all__ = ["Answer", "Response", "AnsweringTransport"]

Answer: TypeAlias = Payload | Sequence[object] | str | int | float | Delivered | Undelivered | None
"""A whole number is an HTTP status; any other JSON value, or a model, is the result of a success."""

Response: TypeAlias = Answer | Callable[[Job], Answer | Awaitable[Answer]]
"""An answer; a tuple of answers for one attempt after the other, of which the last one stays; a function."""

THROTTLING_STATUS = 429


class AnsweringTransport:
    """Sends nothing: it answers by operation, or with a success that has no result.

    Attributes:
        error: Raised by a test's function; it is the test's, and no backend's.
    """

    def __init__(self, responses: Mapping[str, Response]) -> None:
        self._responses = responses
        self._attempts: Counter[str] = Counter()
        self.error: Exception | None = None

    async def open(self) -> None:
        """See ``Transport.open``."""

    async def close(self) -> None:
        """See ``Transport.close``."""

    async def deliver(self, attempt: Attempt) -> Outcome:
        """See ``Transport.deliver``."""
        try:
            return _outcome(await self._answer(attempt))
        except Exception as error:  # noqa: BLE001  # the test's own function may raise anything
            self.error = error
            return Undelivered(name=OUTCOME_UNKNOWN, reason="the test's response raised an error")

    async def _answer(self, attempt: Attempt) -> Answer:
        job, spellings = attempt.job, attempt.operation.spellings
        response = next((self._responses[text] for text in spellings if text in self._responses), None)
        if isinstance(response, tuple):
            turn = min(self._attempts[job.id], len(response) - 1)
            self._attempts[job.id] += 1
            response = cast("Response", response[turn]) if response else None
        answer = response(job) if callable(response) else response
        return await answer if isawaitable(answer) else answer


def _outcome(answer: Answer) -> Outcome:
    if isinstance(answer, Delivered | Undelivered):
        return answer
    if not isinstance(answer, int) or isinstance(answer, bool):
        return Delivered(result=None if answer is None else JsonText(encode(json_value(answer))))
    if 200 <= answer < 300:  # noqa: PLR2004  # HTTP's statuses of a success
        return Delivered(code=answer)
    name = THROTTLED if answer == THROTTLING_STATUS else HTTP_STATUS
    return Undelivered(code=answer, name=name, reason=f"the test answers {answer}")
