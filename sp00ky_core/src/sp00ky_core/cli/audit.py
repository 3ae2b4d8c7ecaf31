"""``sp00ky audit``: what operators have done."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from typing import Any

from sp00ky_core.cli.options import INSTANT, Settings, as_json, command, option, page_options
from sp00ky_core.cli.output import moment, show_page, slow
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.outbox.report_json import audit_to_json
from sp00ky_core.ports import AuditEntry

COLUMNS = ("at (UTC)", "actor", "via", "host", "action", "jobs", "ended (UTC)", "reason", "selection")

LONGEST_SELECTION = 100
"""Characters of it in a row."""


@command(short_help="Show what operators have done.")
@option("--since", "Done then or later: 2h (ago), 3d, an RFC 3339 instant.", type=INSTANT)
@page_options("entry", "Entries")
@as_json
def audit(settings: Settings, *, since: datetime | None, limit: int, after: str | None) -> None:
    """Show what operators have done, the latest first; it is kept for 90 days.

    The actor is what the client said: this is a log, no evidence. Without an end the act goes on, or was cut
    off.
    """
    entries = partial(_entries, since=since, limit=limit + 1, after=after)
    show = partial(show_page, limit=limit, json_wanted=settings.json)
    settings.ask(lambda outbox: show("audit", entries(outbox), audit_to_json, COLUMNS, _row))


async def _entries(outbox: Outbox, **page: Any) -> AsyncIterator[AuditEntry]:
    with slow("reading the audit"):
        entries = await outbox.audit(**page)
    for entry in entries:
        yield entry


def _row(entry: AuditEntry) -> tuple[object, ...]:
    selection = json.dumps(dict(entry.selection), ensure_ascii=False)
    if len(selection) > LONGEST_SELECTION:
        selection = f"{selection[:LONGEST_SELECTION]}..."
    did = (entry.actor, entry.via, entry.host, entry.action, entry.count or "", moment(entry.ended_at))
    return (moment(entry.at), *did, entry.reason, selection)
