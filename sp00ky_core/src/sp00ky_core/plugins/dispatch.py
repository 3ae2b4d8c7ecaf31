"""Call hooks, isolated, and await what pluggy never awaits; decide where no plugin does."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from types import coroutine
from typing import Any, TypeVar, cast

import attrs
import pluggy

from sp00ky_core.config import BackendConfig, RetryConfig
from sp00ky_core.errors import OptionInvalid
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.job.options import check_option
from sp00ky_core.job.outcome import THROTTLED, Delivered, Outcome, Undelivered
from sp00ky_core.job.retry import MAX_RETRIES, RetryPolicy
from sp00ky_core.plugins import hookspecs
from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_openapi.safety import CLOSED_HEADERS, HEADER_NAME

__all__ = ["HookFailed", "Hooks", "watched"]

logger: logging.Logger = logging.getLogger(__name__)

D = TypeVar("D")

DECISIONS = frozenset({"sp00ky_classify_outcome", "sp00ky_retry_policy"})
MERGED = "sp00ky_request_headers"
TRACED = "sp00ky_traceparent"
_OTHERS = (*DECISIONS, MERGED, TRACED, "sp00ky_register_")
OBSERVERS = frozenset(
    name for name in vars(hookspecs) if name.startswith("sp00ky_") and not name.startswith(_OTHERS)
)

OBSERVER_TIMEOUT = 1.0
"""Seconds that an asynchronous observer gets."""

LAST_MOMENT = 1.0
"""Seconds that it then gets to end, before the caller stops waiting for it."""

MAX_OBSERVING = 1_000
"""Asynchronous calls of one plugin at work at the same time; one beyond that is left out, and logged."""


BLOCKS = 0.5
"""Seconds that a hook may hold up the event loop until its plugin is named in a warning."""


class HookFailed(Exception):
    """A hook that must not be skipped has failed; says which, and why, without what it was given."""


class Hooks:
    """The hooks of one set of plugins; those without an implementation cost an empty loop.

    Attributes:
        traces: Whether any plugin gives jobs a trace context.
    """

    def __init__(self, manager: pluggy.PluginManager, declared: Iterable[str] = ()) -> None:
        """Gather the implementations; those of ``declared``, extensions' own hooks, are observers."""
        self._hook = manager.hook
        names = OBSERVERS.union(declared, DECISIONS, (MERGED, TRACED))
        self._impls = {name: _impls(manager, name) for name in names}
        self.traces: bool = bool(self._impls[TRACED])
        self._observing: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)  # by plugin

    def observes(self, name: str) -> bool:
        """Whether any plugin implements the hook, beside a built-in rule."""
        return bool(self._impls[name])

    async def dispatch(self, name: str, **facts: Any) -> None:
        """Call every observer and wait for it; what one raises is logged and changes nothing."""
        for impl, answer in self._call_each(name, facts):
            # A task of its own: an observer may raise CancelledError, or not end when it is cancelled.
            task = asyncio.ensure_future(_bounded(answer, impl.plugin_name, name))
            await asyncio.wait([task], timeout=OBSERVER_TIMEOUT + LAST_MOMENT)

    def dispatch_soon(self, name: str, **facts: Any) -> None:
        """Call every observer; asynchronous ones go on in the background, so that they delay no job."""
        for impl, answer in self._call_each(name, facts):
            observing = self._observing[impl.plugin_name]
            if len(observing) >= MAX_OBSERVING:
                _close(answer)
                logger.error("plugin %s is too slow in %s: one call is left out", impl.plugin_name, name)
                continue
            task = asyncio.ensure_future(_bounded(answer, impl.plugin_name, name))
            observing.add(task)
            task.add_done_callback(observing.discard)

    def dispatch_blocking(
        self, name: str, later: Callable[[Coroutine[Any, Any, None]], object], **facts: Any
    ) -> None:
        """Call every observer from synchronous code; the coroutines of asynchronous ones go to ``later``."""
        for impl, answer in self._call_each(name, facts):
            try:
                later(_bounded(answer, impl.plugin_name, name))
            except Exception:  # it is closed, or was forked: neither undoes what has happened
                _close(answer)
                logger.exception("plugin %s can't be awaited in %s", impl.plugin_name, name)

    async def flush(self) -> None:
        """Wait for the observers still at work, but not for those that don't end when they are cancelled."""
        observing = set().union(*self._observing.values())
        if observing:
            _, stubborn = await asyncio.wait(observing, timeout=OBSERVER_TIMEOUT + LAST_MOMENT)
            if stubborn:
                logger.error("%d calls of observers don't end; they are left behind", len(stubborn))

    def _call_each(self, name: str, facts: Mapping[str, Any]) -> Iterator[tuple[pluggy.HookImpl, Any]]:
        for impl in self._impls[name]:
            try:
                with _watched(impl.plugin_name, name):
                    answer: Any = impl.function(*(facts[argument] for argument in impl.argnames))
            except (Exception, asyncio.CancelledError):
                # An observer is a stranger: whatever it raises must change nothing.
                logger.exception("plugin %s failed in %s", impl.plugin_name, name)
                continue
            if inspect.isawaitable(answer):
                yield impl, answer

    def classify_outcome(self, job: Job, backend: BackendConfig, outcome: Outcome) -> Outcome:
        """See ``sp00ky_classify_outcome``."""
        facts = {"job": job, "backend": backend, "outcome": outcome}
        decided = self._decide("sp00ky_classify_outcome", (Delivered, Undelivered), facts)
        return sp00ky_classify_outcome(backend, outcome) if decided is None else cast("Outcome", decided)

    def retry_policy(self, job: Job, backend: BackendConfig) -> RetryPolicy:
        """Choose how a job is retried."""
        decided = self._decide("sp00ky_retry_policy", (RetryPolicy,), {"job": job, "backend": backend})
        return sp00ky_retry_policy(job, backend) if decided is None else decided

    def traced(self, new_job: NewJob, backend: BackendConfig) -> NewJob:
        """Return a job with the trace context that a plugin gives it, if it has none."""
        if new_job.traceparent is not None:
            return new_job
        decided = self._decide(TRACED, (str,), {"job": new_job, "backend": backend})
        try:
            check_option("traceparent", decided)
        except OptionInvalid as error:
            logger.error("a plugin's result of %s is left out: %s", TRACED, error)  # noqa: TRY400  # no fault
            return new_job
        return new_job if decided is None else new_job.with_traceparent(decided)

    def _decide(self, name: str, kinds: tuple[type[D], ...], facts: Mapping[str, Any]) -> D | None:
        """Return what plugins decide; None: nothing that counts, the built-in rule stands."""
        if not self._impls[name]:
            return None
        try:
            with _watched(" or ".join(impl.plugin_name for impl in self._impls[name]), name):
                decided: Any = getattr(self._hook, name)(**facts)
        except (Exception, asyncio.CancelledError):  # a stranger's decision failed: the built-in one stands
            logger.exception("a plugin failed in %s; the built-in rule decides", name)
            return None
        if decided is None or isinstance(decided, kinds):
            return decided
        _close(decided)
        logger.error("a plugin returned %s from %s; the built-in rule decides", type(decided).__name__, name)
        return None

    def request_headers(self, job: Job, backend: BackendConfig) -> dict[str, str]:
        """Every plugin's headers, merged and checked.

        Raises ``HookFailed`` where one fails that must not be skipped.
        """
        merged: dict[str, str] = {}
        for impl in self._impls[MERGED]:
            facts = {"job": job, "backend": backend}
            must = getattr(impl.function, hookspecs.ON_ERROR, "log") == "fail"
            try:
                with _watched(impl.plugin_name, MERGED):
                    answer: Any = impl.function(*(facts[argument] for argument in impl.argnames))
                headers = dict(answer or {})
            except (Exception, asyncio.CancelledError) as error:  # a stranger's headers: left out
                logger.exception("plugin %s failed in %s", impl.plugin_name, MERGED)
                if must:
                    problem = f"plugin {impl.plugin_name} raised {type(error).__name__} in {MERGED}"
                    raise HookFailed(problem) from error
                continue
            allowed = _allowed(headers, impl.plugin_name)
            if must and len(allowed) < len(headers):
                raise HookFailed(f"plugin {impl.plugin_name} may not set a header of its {MERGED}")
            merged.update(allowed)
        return merged


def _impls(manager: pluggy.PluginManager, name: str) -> list[pluggy.HookImpl]:
    """List a hook's implementations by plugins, the first to be called first: pluggy keeps the reverse."""
    impls = reversed(getattr(manager.hook, name).get_hookimpls())
    return [impl for impl in impls if impl.plugin_name != BUILT_IN]


def _close(answer: object) -> None:
    """Close a coroutine that isn't awaited, or Python warns of it."""
    if inspect.iscoroutine(answer):
        answer.close()


async def _bounded(answer: Awaitable[None], plugin_name: str, name: str) -> None:
    try:
        async with asyncio.timeout(OBSERVER_TIMEOUT):
            await watched(answer, partial(_blocked, plugin_name, name))
    except (Exception, asyncio.CancelledError):
        # An observer is a stranger: whatever it raises must change nothing.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # it is the loop that ends
        logger.exception("plugin %s failed in %s", plugin_name, name)


@contextmanager
def _watched(plugin_names: str, name: str) -> Iterator[None]:
    """Warn of a plugin that blocks."""
    began = time.monotonic()
    try:
        yield
    finally:
        if (took := time.monotonic() - began) >= BLOCKS:
            _blocked(plugin_names, name, took)


def _blocked(plugin_names: str, name: str, seconds: float) -> None:
    text = "plugin %s blocked for %.1f s in %s: nothing else was done meanwhile"
    logger.warning(text, plugin_names, seconds, name)


async def watched(work: Awaitable[None], blocked: Callable[[float], object]) -> None:
    """Await work step by step; tell ``blocked`` for how many seconds a step has held up the loop, if long."""
    await _stepwise(work, blocked)


@coroutine
def _stepwise(work: Awaitable[None], blocked: Callable[[float], object]) -> Generator[Any, Any, None]:
    steps = work.__await__()
    resume: Callable[[], Any] = partial(next, steps)
    while True:
        began = time.monotonic()
        try:
            step = resume()
        except StopIteration:
            return
        finally:
            if (took := time.monotonic() - began) >= BLOCKS:
                blocked(took)
        try:
            resume = partial(steps.send, (yield step))
        except GeneratorExit:
            steps.close()
            raise
        except BaseException as error:  # noqa: BLE001  # a cancellation, for instance
            resume = partial(steps.throw, error)


def _allowed(headers: Mapping[Any, Any], plugin_name: str) -> dict[str, str]:
    allowed = {name: value for name, value in headers.items() if _is_allowed(name, value)}
    for name in headers.keys() - allowed.keys():
        logger.error("plugin %s may not set the request header %r; dropped", plugin_name, name)
    return allowed


def _is_allowed(name: object, value: object) -> bool:
    if not isinstance(name, str) or not isinstance(value, str):
        return False
    is_open = HEADER_NAME.fullmatch(name) is not None and name.lower() not in CLOSED_HEADERS
    return is_open and value.isprintable() and value.isascii()


BUILT_IN = "sp00ky-core:defaults"
"""The name of this module as a plugin: its rules decide where no other plugin does."""


@hookimpl(trylast=True)
def sp00ky_classify_outcome(backend: BackendConfig, outcome: Outcome) -> Outcome:
    """Make a code in ``giveUpOn`` final, throttled or not; leave everything else as the transport said."""
    if not isinstance(outcome, Undelivered) or outcome.code not in backend.give_up_on:
        return outcome
    outcome = attrs.evolve(outcome, retryable=False, rule=f"giveUpOn has {outcome.code}")
    if outcome.name != THROTTLED:
        return outcome
    # `http_status`: the job isn't deferred, but the backend is still left alone for as long as it asks.
    counts_as = outcome.counts_as or THROTTLED
    return attrs.evolve(outcome, name=f"{outcome.scheme}_status", counts_as=counts_as)


@hookimpl(trylast=True)
def sp00ky_retry_policy(job: Job, backend: BackendConfig) -> RetryPolicy:
    """Take the row's ``max_retries`` and ``retry_strategy``, and the backend's ``retry``."""
    max_retries = min(max(job.max_retries, 0), MAX_RETRIES)  # a hostile row's may be out of range
    return _policy(backend.retry, job.retry_strategy, max_retries)


@lru_cache(maxsize=1_000)  # every job needs one, and they are few
def _policy(retry: RetryConfig, strategy: str, max_retries: int) -> RetryPolicy:
    return RetryPolicy(
        strategy=strategy,
        max_retries=max_retries,
        base=retry.base,
        factor=retry.factor,
        cap=retry.cap,
        jitter=retry.jitter,
    )
