"""Pause and resume backends, and drain runners, in the whole fleet; each act is written down."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Unpack

from sp00ky_core.errors import OptionInvalid, RunnerGone
from sp00ky_core.hints import shown
from sp00ky_core.job.options import check_option
from sp00ky_core.outbox.operators.audit import act_of, recorded
from sp00ky_core.plugins.calls import Hooks
from sp00ky_core.ports import ActOptions, Pauses, Runners, RunnerState, needed
from sp00ky_core.stores.naming import StoreUser


class FleetOperators(StoreUser):
    """Steer all runners of a store; a base of ``Outbox``.

    Attributes:
        via: What an act comes through, for the audit: ``python``, ``cli``, ``dashboard``.
    """

    via: str = "python"
    _hooks: Hooks

    async def pause(
        self, backend: str, *, duration: timedelta | None = None, **act: Unpack[ActOptions]
    ) -> bool:
        """Keep every runner from claiming a backend's jobs; what is in flight ends.

        Backends that share a table are paused together. A pause of a paused backend takes the place of that.

        It ends after ``duration``, or else with ``resume``. Returns whether it wasn't paused before.

        Raises:
            UnknownBackend: There is none of that name.
            OptionInvalid: A duration, a reason or an actor that can't be; nothing was done.
        """
        table = self.backends.named(backend).table.backend
        seconds, pauses = _checked_seconds(duration), needed(self.store, Pauses, "pause()")
        selection = {"backend": backend, "duration": duration}
        async with recorded(self.store, act_of("pause", selection, via=self.via, **act)):
            began = await pauses.pause(table, seconds=seconds, **act)
        if began:
            await self._report_pause(backend, paused=True)
        return began

    async def resume(self, backend: str, **act: Unpack[ActOptions]) -> bool:
        """End a backend's pause; whether there was one. Arguments and errors as of ``pause``."""
        table = self.backends.named(backend).table.backend
        pauses = needed(self.store, Pauses, "resume()")
        async with recorded(self.store, act_of("resume", {"backend": backend}, via=self.via, **act)):
            ended = await pauses.resume(table)
        if ended:
            await self._report_pause(backend, paused=False)
        return ended

    async def drain_runner(self, runner_id: str, **act: Unpack[ActOptions]) -> None:
        """Ask a runner to claim nothing more, to end what it holds, and to exit: within a beat it does.

        Raises:
            RunnerGone: There is no such runner, or it is dead; nothing was written.
            OptionInvalid: A reason or an actor that can't be.
        """
        drain = act_of("drain", {"runner": runner_id}, via=self.via, **act)
        runners = needed(self.store, Runners, "drain_runner()")
        known = {runner.id: runner for runner in await runners.runners()}
        living = tuple(each.id for each in known.values() if each.state is not RunnerState.DEAD)
        found = known.get(runner_id)
        if runner_id not in living:
            raise RunnerGone(
                runner_id=runner_id, silent_for=None if found is None else found.silent_for, known=living
            )
        async with recorded(self.store, drain):
            if not await runners.drain_runner(runner_id):  # it has stopped meanwhile
                raise RunnerGone(runner_id=runner_id, known=living)

    async def _report_pause(self, backend: str, **facts: Any) -> None:
        if self._hooks.observes("sp00ky_pause_changed"):
            await self._hooks.dispatch("sp00ky_pause_changed", backend=backend, **facts)


def _checked_seconds(duration: timedelta | None) -> float | None:
    if duration is None:
        return None
    check_option("duration", duration, like="delay")
    if not duration:
        raise OptionInvalid(option="duration", value=shown(duration), expected="more than 0")
    return duration.total_seconds()
