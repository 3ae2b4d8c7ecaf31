"""Pause and resume backends, drain runners, fire and pause schedules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from sp00ky_core import Outbox
from sp00ky_core.backend.settings import SETTABLE, value_of
from sp00ky_dashboard.access.forms import Form

Do = Callable[[Outbox, str, Form, dict[str, Any]], Awaitable[str]]
"""Does it to a target, by its name, with ``actor`` and ``reason``; says what was done."""


@attrs.frozen(kw_only=True)
class FleetAct:
    """Describe an act on a backend, a runner or a schedule.

    Attributes:
        verb: On the button.
        text: What comes of it.
        do: Does it.
        asks: Fields of the confirmation.
        is_dangerous: It can't be undone.
    """

    verb: str
    text: str
    do: Do
    asks: tuple[str, ...] = ("reason",)
    is_dangerous: bool = False

    def question(self, target: str) -> str:
        """Ask whether it is wanted."""
        return f"{self.verb} {target}?"


async def _pause(outbox: Outbox, target: str, form: Form, act: dict[str, Any]) -> str:
    length = form.duration("duration")
    await outbox.pause(target, duration=length, **act)
    return f"{target} is paused" + (f" for {form.text('duration')}." if length else " until it is resumed.")


async def _resume(outbox: Outbox, target: str, _form: Form, act: dict[str, Any]) -> str:
    ended = await outbox.resume(target, **act)
    return f"{target} is resumed." if ended else f"{target} wasn't paused."


async def _set(outbox: Outbox, target: str, form: Form, act: dict[str, Any]) -> str:
    values = {key: value_of(form.text(key)) for key in SETTABLE if form.has(key)}
    await outbox.set_backend(target, values, duration=form.duration("duration"), **act)
    return f"{target} is set: {', '.join(values)}. Runners follow within 5 s."


async def _reset(outbox: Outbox, target: str, _form: Form, act: dict[str, Any]) -> str:
    was_set = await outbox.reset_backend(target, **act)
    return f"{target} is as the file says." if was_set else f"Nothing was set of {target}."


async def _drain(outbox: Outbox, target: str, _form: Form, act: dict[str, Any]) -> str:
    await outbox.drain_runner(target, **act)
    return f"{target} is asked to drain."


async def _trigger(outbox: Outbox, target: str, _form: Form, act: dict[str, Any]) -> str:
    runs = await outbox.schedules.trigger(target, **act)
    made = sum(run.job_id is not None for run in runs)
    failed = (await outbox.schedules.get(target)).stored.last_error is not None
    return f"{target} has fired: {made:,} {'job' if made == 1 else 'jobs'}." + (
        " It failed in part: its error is below." if failed else ""
    )


async def _pause_schedule(outbox: Outbox, target: str, _form: Form, act: dict[str, Any]) -> str:
    began = await outbox.schedules.pause(target, **act)
    return f"{target} is paused until it is resumed." if began else f"{target} was paused before."


async def _resume_schedule(outbox: Outbox, target: str, _form: Form, act: dict[str, Any]) -> str:
    ended = await outbox.schedules.resume(target, **act)
    return f"{target} is resumed." if ended else f"{target} wasn't paused."


async def _release(outbox: Outbox, target: str, _form: Form, act: dict[str, Any]) -> str:
    ended = await outbox.schedules.release(target, **act)
    return f"{target}: the quarantine has ended." if ended else f"{target} has no key in quarantine."


FLEET_ACTS = {
    "pause": FleetAct(
        verb="Pause",
        text="No runner claims its jobs until it is resumed. What is in flight ends.",
        do=_pause,
        asks=("duration", "reason"),
    ),
    "resume": FleetAct(verb="Resume", text="Runners claim its jobs again.", do=_resume),
    "set": FleetAct(
        verb="Set",
        text="Every runner follows within 5 s. What is left empty stays as it is.",
        do=_set,
        asks=(*SETTABLE, "duration", "reason"),
    ),
    "reset": FleetAct(verb="Reset", text="What the file says holds again.", do=_reset),
    "drain": FleetAct(
        verb="Drain",
        text="It claims nothing more, ends what it holds, and exits.",
        do=_drain,
        is_dangerous=True,
    ),
    "trigger": FleetAct(verb="Fire", text="It fires now; its clock goes on as it would have.", do=_trigger),
    "pause-schedule": FleetAct(
        verb="Pause", text="It doesn't fire, by hand either, until it is resumed.", do=_pause_schedule
    ),
    "resume-schedule": FleetAct(
        verb="Resume", text="It fires again. What was missed meanwhile is left out.", do=_resume_schedule
    ),
    "release-schedule": FleetAct(
        verb="Release", text="Keys that failed too often in a row are tried again.", do=_release
    ),
}
