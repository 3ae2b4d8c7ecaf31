"""Begin and end steps without a job: the time of one is over, or its signal is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sp00ky_core.encoding.json_bytes import decode, encode
from sp00ky_core.ports import ExtensionTransaction, Is, Row
from sp00ky_core.stores.ids import chunks
from sp00ky_workflows.model.advance import StepState
from sp00ky_workflows.model.graph import StepStatus
from sp00ky_workflows.model.pauses import NOT_BEGUN, due_at, signal_of
from sp00ky_workflows.service.outcomes import Outcome, failure
from sp00ky_workflows.tables import SIGNALS

__all__ = ["resumed"]

AT_ONCE = 500
"""Pauses that end in one transaction; a later search finds the others."""


async def resumed(tx: ExtensionTransaction, states: Sequence[StepState]) -> list[tuple[StepState, Outcome]]:
    """Return which of some pauses end, and how; begin the time of those where it hasn't."""
    signals = await _signals(tx, {state.workflow_id for state in states if signal_of(state.step)})
    ends = [(state, end) for state in states for end in _ends(state, signals, tx)][:AT_ONCE]
    for place in {(state.workflow_id, signal_of(state.step)) for state, _ in ends} & signals.keys():
        own = [Is("workflow_id", "=", place[0]), Is("name", "=", place[1])]
        await tx.update(SIGNALS, own, {"taken": 1})
    return ends


def _ends(
    state: StepState, signals: dict[tuple[str, str | None], Row], tx: ExtensionTransaction
) -> Iterator[Outcome]:
    signal = signal_of(state.step)
    if row := signals.get((state.workflow_id, signal)):
        yield StepStatus.SUCCESS, encode(decode(row["payload"])).decode()
    elif state.due_at is None or state.due_at <= NOT_BEGUN:
        state.due_at = due_at(state.step, tx.now)
    elif state.due_at <= tx.now:
        late = failure("signal_timeout", f"no signal {signal!r} came in time")
        yield late if signal else (StepStatus.SUCCESS, "null")


async def _signals(tx: ExtensionTransaction, workflows: set[str]) -> dict[tuple[str, str | None], Row]:
    """Return the signals of some workflows."""
    found = dict[tuple[str, str | None], Row]()
    for some in chunks(workflows):
        mine = Is("workflow_id", "in", tuple(some))
        rows = await tx.select(SIGNALS, [mine], columns=("workflow_id", "name", "payload"))
        found |= {(row["workflow_id"], row["name"]): row for row in rows}
    return found
