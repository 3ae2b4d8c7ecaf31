"""Write down what operators do: an entry before each act, its count after each batch, and its end."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Unpack

import attrs

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.job.job import value_to_json
from sp00ky_core.job.options import expect, is_plain_text
from sp00ky_core.outbox.operators.bulk import BulkResult
from sp00ky_core.ports import Act, ActOptions, Store

logger: logging.Logger = logging.getLogger(__name__)

LONGEST_REASON, LONGEST_ACTOR, LONGEST_TEXT = 2_048, 255, 2_048
"""The characters that a reason, an actor and any other text of an entry may have."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@attrs.define
class AuditRecord:
    """Keep one act's entry up to date.

    Attributes:
        store: Where it is.
        entry_id: The entry's id.
        count: Jobs that the act was done to, as written down last.
    """

    store: Store
    entry_id: str
    count: int = 0

    async def reach(self, count: int, *, ended: bool = False) -> None:
        """Write down how far the act has come. What goes wrong with that is logged: the act is done."""
        if count == self.count and not ended:
            return
        self.count = count
        try:
            await self.store.update_audit(self.entry_id, count=count, ended=ended)
        except Sp00kyError as error:
            logger.warning("the audit doesn't say how far act %s came: %s", self.entry_id, error)


@asynccontextmanager
async def recorded(store: Store, act: Act) -> AsyncIterator[AuditRecord]:
    """Write an act down before it begins, and that it has ended, whether done, failed or interrupted.

    Raises:
        StoreError: it can't be written down; then it isn't done either.
    """
    record = AuditRecord(store, await store.start_audit(act))
    try:
        yield record
    finally:
        await record.reach(record.count, ended=True)


async def recorded_steps(
    store: Store, act: Act, steps: AsyncGenerator[BulkResult, None]
) -> AsyncGenerator[BulkResult, None]:
    """Yield what steps yield, as ``recorded``; how much is done is written down after each."""
    async with recorded(store, act) as record, aclosing(steps):
        async for result in steps:
            await record.reach(result.done)
            yield result


def act_of(action: str, selection: Mapping[str, Any], *, via: str, **act: Unpack[ActOptions]) -> Act:
    """Describe an act that is to be done on this host. Raises ``OptionInvalid``."""
    _check_text("reason", act.get("reason"), LONGEST_REASON)
    _check_text("actor", act.get("actor"), LONGEST_ACTOR)
    selected = json_values(selection)
    return Act(action=action, selection=selected, via=via, host=socket.gethostname(), **act)


def json_values(selection: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said in a selection, as JSON values that every database can hold."""
    return {name: _json_value(value) for name, value in selection.items() if value is not None}


def _check_text(option: str, value: object, limit: int) -> None:
    met = value is None or (isinstance(value, str) and len(value) <= limit and is_plain_text(value))
    expect(option, value, f"a text of at most {limit:,} characters without NUL", met=met)


def _json_value(value: Any) -> Any:
    """Make it JSON, and what every database can hold: an id may be any text that was typed."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value[:LONGEST_TEXT])
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    return value_to_json(value)
