"""From an attempt's outcome to the settlement that will be written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import attrs

from sp00ky_core.machine import Deferred, Expired, Transition, decide
from sp00ky_core.outcome import EXPIRED, OUTCOME_UNKNOWN, UNKNOWN_ROUTE, Delivered, Outcome, Undelivered
from sp00ky_core.plugins.calls import Hooks
from sp00ky_core.plugins.defaults import sp00ky_retry_policy
from sp00ky_core.ports import Settlement
from sp00ky_core.retry import STRATEGIES, RetryPolicy, Strategy
from sp00ky_core.runner.in_flight import Held
from sp00ky_core.runner.liveness import Beat
from sp00ky_core.runner.options import RunnerOptions

logger: logging.Logger = logging.getLogger(__name__)

_ANY = RetryPolicy()  # what is delivered isn't retried


class Decider:
    """Applies the retry policy that plugins and configuration give.

    Args:
        hooks: Whose policy it is.
        strategies: The meaning of strategies' names.
        options: The runner's.
        beat: Sees which documents other runners have; None: there are none.
    """

    def __init__(
        self,
        hooks: Hooks,
        strategies: Mapping[str, Strategy],
        options: RunnerOptions,
        beat: Beat | None = None,
    ) -> None:
        self._hooks = hooks
        self._strategies = {name: _logging(name, strategy) for name, strategy in strategies.items()}
        self._options = options
        self._beat = beat

    def settlement(self, held: Held, event: Outcome | Deferred) -> Settlement:
        """Decide what to write for an outcome, or for a job that is deferred."""
        job = held.job
        is_delivered = isinstance(event, Delivered)
        return Settlement(
            job_id=job.id,
            backend=held.backend.table.backend,
            epoch=job.lease_epoch,
            runner_id=job.runner_id,
            transition=decide(job, event, _ANY) if is_delivered else self._transition(held, event),
        )

    def unknown(self, held: Held) -> Settlement:
        """Decide what to write where it isn't known how the attempt ended, by an internal fault."""
        return self.settlement(
            held, Undelivered(name=OUTCOME_UNKNOWN, reason="a fault in the runner; see its log")
        )

    def _transition(self, held: Held, outcome: Outcome | Deferred) -> Transition:
        event = self._event(held, outcome) if isinstance(outcome, Undelivered) else outcome
        random = self._options.random()
        policy = self._hooks.retry_policy(held.job, held.backend.config)
        try:
            return decide(held.job, event, policy, random=random, strategies=self._strategies)
        except Exception:  # a plugin's policy can't be used; the attempt was made all the same
            logger.exception("job %s: its outcome is settled without plugins", held.job.id)
        plain = attrs.evolve(sp00ky_retry_policy(held.job, held.backend.config), strategy="linear")
        return decide(held.job, event, plain, random=random)

    def _event(self, held: Held, outcome: Undelivered) -> Undelivered | Deferred | Expired:
        """Return what an outcome is to a job that wasn't sent."""
        if held.started_at is not None:
            return outcome
        if outcome.name == EXPIRED:
            return Expired()
        if outcome.name != UNKNOWN_ROUTE or self._beat is None or held.waited > self._options.route_wait:
            return outcome
        # A newer runner may know the route: one that is seen, or has just begun to beat.
        if any(self._beat.sees_another_document(*document) for document in held.documents):
            return Deferred(delay=self._options.route_delay, waited=held.waited)
        if not self._beat.has_looked_since(held.received_at - held.waited):
            pause = min(self._options.beat_interval, self._options.route_delay)
            return Deferred(delay=pause, waited=held.waited)
        return outcome


def _logging(name: str, strategy: Strategy) -> Strategy:
    """Wrap a strategy so that its failures are logged: they count as "the cap", without a trace."""
    if STRATEGIES.get(name) is strategy:
        return strategy

    def logged(policy: RetryPolicy, n: int) -> float:
        try:
            return float(strategy(policy, n))
        except OverflowError:
            raise
        except (Exception, asyncio.CancelledError) as error:  # the latter would be taken for the runner's end
            logger.exception("retry strategy %r failed; the delay is the cap, %g s", name, policy.cap)
            raise ValueError("the strategy failed") from error

    return logged
