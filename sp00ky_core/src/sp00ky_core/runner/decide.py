"""From an attempt's outcome to the settlement that will be written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import attrs

from sp00ky_core.defaults import sp00ky_retry_policy
from sp00ky_core.dispatch import Hooks
from sp00ky_core.machine import Transition, decide
from sp00ky_core.outcome import OUTCOME_UNKNOWN, Delivered, Outcome, Undelivered
from sp00ky_core.ports import Settlement
from sp00ky_core.retry import STRATEGIES, RetryPolicy, Strategy
from sp00ky_core.runner.held import Held
from sp00ky_core.runner.options import RunnerOptions

__all__ = ["Decider"]

logger = logging.getLogger(__name__)

_ANY = RetryPolicy()  # what is delivered isn't retried


class Decider:
    """Applies the retry policy that plugins and configuration give."""

    def __init__(self, hooks: Hooks, strategies: Mapping[str, Strategy], options: RunnerOptions) -> None:
        self._hooks = hooks
        self._strategies = {name: _telling(name, strategy) for name, strategy in strategies.items()}
        self._options = options

    def settlement(self, held: Held, outcome: Outcome) -> Settlement:
        """What to write for an outcome."""
        return Settlement(
            job_id=held.job.id,
            backend=held.backend.name,
            epoch=held.job.lease_epoch,
            transition=self._transition(held, outcome),
        )

    def unknown(self, held: Held) -> Settlement:
        """What to write where nobody can say how the attempt ended, for whatever fault of ours."""
        return self.settlement(
            held, Undelivered(name=OUTCOME_UNKNOWN, reason="a fault in the runner; see its log")
        )

    def _transition(self, held: Held, outcome: Outcome) -> Transition:
        if isinstance(outcome, Delivered):
            return decide(held.job, outcome, _ANY)
        random = self._options.random()
        policy = self._hooks.retry_policy(held.job, held.backend.config)
        try:
            return decide(held.job, outcome, policy, random=random, strategies=self._strategies)
        except Exception:  # a plugin's policy can't be used; the attempt was made all the same
            logger.exception("job %s: its outcome is settled without plugins", held.job.id)
        plain = attrs.evolve(sp00ky_retry_policy(held.job, held.backend.config), strategy="linear")
        return decide(held.job, outcome, plain, random=random)


def _telling(name: str, strategy: Strategy) -> Strategy:
    """The strategy, whose failures are logged: they count as "the cap", and nobody would see why."""
    if STRATEGIES.get(name) is strategy:
        return strategy

    def tell(policy: RetryPolicy, n: int) -> float:
        try:
            return float(strategy(policy, n))
        except OverflowError:
            raise
        except (Exception, asyncio.CancelledError) as error:  # the latter would be taken for the runner's end
            logger.exception("retry strategy %r failed; the delay is the cap, %g s", name, policy.cap)
            raise ValueError("the strategy failed") from error

    return tell
