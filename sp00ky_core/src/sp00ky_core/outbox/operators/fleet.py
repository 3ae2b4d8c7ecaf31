"""Pause and resume backends, and drain runners, in the whole fleet; each act is written down."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Unpack

from sp00ky_core.backend.backend import Backend
from sp00ky_core.backend.settings import (
    SETTABLE,
    read_settings,
    settings_to_json,
    values_of,
)
from sp00ky_core.config import BackendSettings
from sp00ky_core.errors import ConfigError, OptionInvalid, RunnerGone
from sp00ky_core.job.options import check_option, expect
from sp00ky_core.outbox.operators.audit import act_of, recorded
from sp00ky_core.outbox.queries import Queries
from sp00ky_core.ports import ActOptions, RunnerState, SettingsRecord


class FleetOperators(Queries):
    """Steer all runners of a store; a base of ``Outbox``."""

    async def pause(
        self, backend: str, *, duration: timedelta | None = None, **act: Unpack[ActOptions]
    ) -> bool:
        """Keep every runner from claiming a backend's jobs; what is in flight ends.

        Backends that share a table are paused together. A new pause takes the place of one that holds.

        It ends after ``duration``, or else with ``resume``. Returns whether it wasn't paused before.

        Raises:
            UnknownBackend: There is none of that name.
            OptionInvalid: A duration, a reason or an actor that can't be; nothing was done.
        """
        table = self.backends.named(backend).table.backend
        seconds = _checked_seconds(duration)
        selection = {"backend": backend, "duration": duration}
        async with recorded(self.store, act_of("pause", selection, via=self.via, **act)):
            began = await self.store.pause(table, seconds=seconds, **act)
        await self._report_pause(backend, is_news=began, paused=True)
        return began

    async def resume(self, backend: str, **act: Unpack[ActOptions]) -> bool:
        """End a backend's pause; whether there was one. Arguments and errors as of ``pause``."""
        table = self.backends.named(backend).table.backend
        async with recorded(self.store, act_of("resume", {"backend": backend}, via=self.via, **act)):
            ended = await self.store.resume(table)
        await self._report_pause(backend, is_news=ended, paused=False)
        return ended

    async def set_backend(
        self,
        backend: str,
        values: Mapping[str, Any],
        *,
        duration: timedelta | None = None,
        **act: Unpack[ActOptions],
    ) -> None:
        """Change a backend in the whole fleet, without a restart: every runner follows within 5 s.

        Args:
            backend: Its name.
            values: By the keys of sp00ky.yml: ``rate``, ``maxInFlight``, ``concurrency``, ``timeout``, and
                ``baseUrl``, which is one of the file's ``baseUrls``. Others that are set stay so.
            duration: How long all that is set holds; by default as long as what was set before, or until
                ``reset_backend``.
            act: Who does it, and why.

        Raises:
            UnknownBackend: There is none of that name.
            ConfigError: An unknown key, or a value that can't be; nothing was done.
            OptionInvalid: Nothing to set, or a duration that can't be.
        """
        known, seconds = self.backends.named(backend), _checked_seconds(duration)
        changed = settings_to_json(values_of(_checked(known, values)))
        selection = {"backend": backend, "duration": duration, "values": changed}
        async with recorded(self.store, act_of("set", selection, via=self.via, **act)):
            await self.store.change_settings(backend, changed, seconds=seconds, actor=act.get("actor"))

    async def reset_backend(self, backend: str, **act: Unpack[ActOptions]) -> bool:
        """Let the file's values hold again in the whole fleet; whether anything was set."""
        self.backends.named(backend)
        async with recorded(self.store, act_of("reset", {"backend": backend}, via=self.via, **act)):
            return await self.store.reset_settings(backend)

    async def settings(self) -> Mapping[str, SettingsRecord]:
        """Return what is set of backends now, by their names."""
        return await self.store.settings()

    async def drain_runner(self, runner_id: str, **act: Unpack[ActOptions]) -> None:
        """Ask a runner to claim nothing more, to end what it holds, and to exit: within a beat it does.

        Raises:
            RunnerGone: There is no such runner, or it is dead; nothing was written.
            OptionInvalid: A reason or an actor that can't be.
        """
        drain = act_of("drain", {"runner": runner_id}, via=self.via, **act)
        known = {runner.id: runner for runner in await self.store.runners()}
        living = tuple(runner.id for runner in known.values() if runner.state is not RunnerState.DEAD)
        if runner_id not in living:
            silent_for = known[runner_id].silent_for if runner_id in known else None
            raise RunnerGone(runner_id=runner_id, silent_for=silent_for, known=living)
        async with recorded(self.store, drain):
            if not await self.store.drain_runner(runner_id):  # it has stopped meanwhile
                raise RunnerGone(runner_id=runner_id, known=living)

    async def _report_pause(self, backend: str, *, is_news: bool, **facts: Any) -> None:
        if is_news and self._hooks.observes("sp00ky_pause_changed"):
            await self._hooks.dispatch("sp00ky_pause_changed", backend=backend, **facts)


def _checked(backend: Backend, values: Mapping[str, Any]) -> BackendSettings:
    settings, problems = read_settings(backend, SettingsRecord(values=values))
    for key, problem in problems.items():
        raise ConfigError(file="", key=f"backends.{backend.name}.{key}", problem=problem)
    if settings == BackendSettings():
        raise OptionInvalid(option="values", value="empty", expected=f"some of {', '.join(SETTABLE)}")
    return settings


def _checked_seconds(duration: timedelta | None) -> float | None:
    if duration is None:
        return None
    check_option("duration", duration, like="delay")
    expect("duration", duration, "more than 0", met=bool(duration))
    return duration.total_seconds()
