"""Describe acts on what has a name; pause, resume and set backends, drain runners."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from sp00ky_core import Outbox
from sp00ky_core.backend.settings import SETTABLE, value_of
from sp00ky_dashboard.access.forms import Form

Do = Callable[[Outbox, str, Form, dict[str, Any]], Awaitable[str]]
"""Does it to a target, by its name, with ``actor`` and ``reason``; says in a line what was done."""


@attrs.frozen(kw_only=True)
class Ask:
    """Ask for a text when an act is confirmed.

    Attributes:
        name: Of the field.
        label: Above it.
        note: Beside the label: what may be written.
        for_tenants: In ``Dashboard.for_tenant`` it is asked for, too.
    """

    name: str
    label: str
    note: str = ""
    for_tenants: bool = True


@attrs.frozen(kw_only=True)
class Act:
    """Describe an act on a backend, a runner, or what a page of an extension shows.

    Attributes:
        verb: On the button.
        text: What comes of it.
        do: Does it.
        asks: Fields of the confirmation: ours by their names, others as ``Ask``.
        is_dangerous: It can't be undone.
    """

    verb: str
    text: str
    do: Do
    asks: tuple[str | Ask, ...] = ()
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


FLEET_ACTS = {
    "pause": Act(
        verb="Pause",
        text="No runner claims its jobs until it is resumed. What is in flight ends.",
        do=_pause,
        asks=("duration",),
    ),
    "resume": Act(verb="Resume", text="Runners claim its jobs again.", do=_resume),
    "set": Act(
        verb="Set",
        text="Every runner follows within 5 s. What is left empty stays as it is.",
        do=_set,
        asks=(*SETTABLE, "duration"),
    ),
    "reset": Act(verb="Reset", text="What the file says holds again.", do=_reset),
    "drain": Act(
        verb="Drain",
        text="It claims nothing more, ends what it holds, and exits.",
        do=_drain,
        is_dangerous=True,
    ),
}
