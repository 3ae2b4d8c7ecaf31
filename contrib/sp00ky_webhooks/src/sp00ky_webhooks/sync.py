"""Publish events from synchronous code, in a transaction of a blocking connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from sp00ky_core.ports import CallerConnection
from sp00ky_core.sync import SyncOutbox
from sp00ky_webhooks.api import Webhooks
from sp00ky_webhooks.model import Event

__all__ = ["SyncWebhooks"]


@attrs.frozen
class SyncWebhooks:
    """What ``Webhooks`` is, for a ``SyncOutbox``.

    All calls but this one: ``outbox.do(lambda outbox: outbox.extension(Webhooks).endpoints.list())``.

    Attributes:
        outbox: The outbox.
    """

    outbox: SyncOutbox

    def publish(
        self,
        topic: str,
        payload: Mapping[str, Any],
        *,
        connection: CallerConnection | None = None,
        assigned_to: str | None = None,
        event_id: str | None = None,
        to: Sequence[str] | None = None,
    ) -> Event:
        """Publish an event; arguments and errors as of ``Webhooks.publish``.

        Endpoints are looked up on the outbox's own connection, and the deliveries inserted on yours.
        """
        webhooks = self.outbox.asynchronous.extension(Webhooks)
        event = webhooks.event(topic, payload, assigned_to, event_id)
        if connection is None:
            given: dict[str, Any] = {"assigned_to": assigned_to, "event_id": event.id, "to": to}
            return self.outbox.do(lambda outbox: outbox.extension(Webhooks).publish(topic, payload, **given))
        rows, jobs = self.outbox.do(lambda outbox: outbox.extension(Webhooks).planned(event, payload, to))
        return event.made(webhooks.context.insert_in(connection, rows, jobs))
