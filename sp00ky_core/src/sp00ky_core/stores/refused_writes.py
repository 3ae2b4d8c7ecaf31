"""Write a batch; on refusal bisect it to isolate the bad rows, and settle those with less.

A row that the database refuses (a user's CHECK, an ASSERT, a value that it can't hold) costs no other row.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import attrs

from sp00ky_core.errors import RowRefused, StoreError
from sp00ky_core.job.job import AttemptError, JobStatus
from sp00ky_core.job.outcome import INVALID_ROW
from sp00ky_core.job.state_machine import Transition
from sp00ky_core.ports import Settlement, SettleResult

__all__ = ["Quarantine", "bisect", "is_refusal", "lesser_transitions", "settle_with_less", "write_around"]

logger: logging.Logger = logging.getLogger(__name__)

_Item = TypeVar("_Item")
_Key = TypeVar("_Key", bound=Hashable)
_Result = TypeVar("_Result")


def is_refusal(error: StoreError) -> bool:
    """Whether the database refused a row, rather than being unable to work."""
    return isinstance(error, RowRefused)


async def bisect(
    items: Sequence[_Item],
    write: Callable[[Sequence[_Item]], Awaitable[Sequence[_Result]]],
    alone: Callable[[_Item, StoreError], Awaitable[Sequence[_Result]]],
    *,
    refuses: Callable[[StoreError], bool] = is_refusal,
) -> list[_Result]:
    """Write items, as many at once as the database takes; return the results in order.

    Where many in a row are refused, each costs one try, and not those of all the halves that it is in.

    Args:
        items: What is to be written; half as many at a time where the database refuses them, then twice.
        write: Writes some, all or none. Raises ``StoreError`` and has then written none of them.
        alone: Gives the results of one that is refused on its own.
        refuses: Whether an error may be one row's fault; any other is raised.
    """
    results: list[_Result] = []
    start, size = 0, len(items)
    while start < len(items):
        portion = items[start : start + size]
        try:
            results += await write(portion)
            size *= 2
        except StoreError as error:
            if not refuses(error):
                raise
            if len(portion) > 1:
                size = len(portion) // 2
                continue
            results += await alone(portion[0], error)
        start += len(portion)
    return results


async def write_around(
    items: Sequence[_Key], write: Callable[[Sequence[_Key]], Awaitable[Sequence[_Result]]]
) -> tuple[list[_Result], dict[_Key, StoreError]]:
    """Write what the database takes; return the results, and for each other item what it said.

    Args:
        items: What is to be written; halved where the database refuses them.
        write: Writes some, all or none, and returns any number of results.
    """
    refused: dict[_Key, StoreError] = {}

    async def alone(item: _Key, error: StoreError) -> Sequence[_Result]:
        refused[item] = error
        return ()

    return await bisect(items, write, alone), refused


def lesser_transitions(transition: Transition, problem: str) -> Iterator[Transition]:
    """Yield the transition with less and less in it, and at last a failure that says why.

    Args:
        transition: What the database refused.
        problem: The database's words.
    """
    if transition.result_json is not None:
        yield attrs.evolve(transition, result_json=None)
    if transition.error is not None:
        yield attrs.evolve(transition, result_json=None, error=None)
    failed = attrs.evolve(
        transition, to=JobStatus.FAILED, delay=None, result_json=None, error=None, defers=False
    )
    reason = problem.replace("\0", "\ufffd")[:500]
    yield attrs.evolve(
        failed,
        error=AttemptError(attempt=transition.retries + 1, code=0, name=INVALID_ROW, reason=reason),
    )
    yield failed


async def settle_with_less(
    settlement: Settlement,
    problem: str,
    write: Callable[[Settlement], Awaitable[SettleResult]],
    *,
    refuses: Callable[[StoreError], bool] = is_refusal,
) -> SettleResult | None:
    """Settle a row with the first lesser transition that the database takes; None: it takes none of them.

    The result's ``written`` says which it was, ``problem`` why.
    """
    for transition in lesser_transitions(settlement.transition, problem):
        try:
            result = await write(attrs.evolve(settlement, transition=transition))
        except StoreError as error:
            if not refuses(error):
                raise
            continue
        return attrs.evolve(result, problem=problem, written=transition)
    return None


@attrs.define(kw_only=True)
class _Refused:
    until: float  # by the clock: it rests until then
    reported: float  # when it was last logged


class Quarantine:
    """Remembers rows that the database refused: each is logged once in a while, and left alone for a while.

    Attributes:
        REST: Seconds after which a row gets another chance; its rule may have been corrected by then.
        QUIET: Seconds in which a row isn't logged again.
        MOST: Rows remembered; of more, the ones refused first are forgotten.
    """

    REST, QUIET, MOST = 30.0, 300.0, 1_000

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refused: dict[tuple[str, str], _Refused] = {}

    def add(
        self,
        verb: str,
        job_ids: Iterable[str],
        problem: str,
        *,
        seconds: float = REST,
        quiet: bool = False,
        level: int = logging.ERROR,
    ) -> None:
        """Remember jobs that can't be claimed, settled, released or deleted; log one line for all of them.

        Args:
            verb: What can't be done, as a participle: ``claimed``.
            job_ids: Of the refused rows.
            problem: What the database said of the first.
            seconds: For how long they rest.
            quiet: Whether no line is logged: they are sound, and may be written soon.
            level: Of the log line.
        """
        now, news = self._clock(), list[str]()
        for job_id in job_ids:
            known = self._refused.pop((verb, job_id), None)
            known = known or _Refused(until=0.0, reported=float("-inf"))
            if not quiet and now - known.reported >= self.QUIET:
                news.append(job_id)
                known.reported = now
            known.until = now + seconds
            self._refused[verb, job_id] = known
        while len(self._refused) > self.MOST:
            del self._refused[next(iter(self._refused))]
        if news:
            more = f" and {len(news) - 1} more" if len(news) > 1 else ""
            text = "job %s%s can't be %s, the database refuses it: %s"
            first = news[0].encode(errors="replace").decode()  # a client's key may be no UTF-8
            logger.log(level, text, first, more, verb, problem)

    def add_all(self, verb: str, refused: Mapping[str, StoreError], *, seconds: float = REST) -> None:
        """Remember jobs as ``add`` does; those of ``write_around``, by id."""
        if refused:
            self.add(verb, refused, next(iter(refused.values())).problem, seconds=seconds)

    def resting(self, verb: str) -> list[str]:
        """List the ids of the jobs that were refused a short while ago."""
        now = self._clock()
        return [job_id for (done, job_id), row in self._refused.items() if done == verb and row.until > now]

    def clear(self, verb: str) -> None:
        """Give every row another chance."""
        for (done, _), row in self._refused.items():
            if done == verb:
                row.until = 0.0
