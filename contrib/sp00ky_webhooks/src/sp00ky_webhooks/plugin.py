"""Register the extension and its transport, as a plugin of Sp00ky outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs

from sp00ky_core import RateConfig, TransportEntry, hookimpl
from sp00ky_core.config import RATE, key, values
from sp00ky_core.plugins.hookspecs import deferred, hookspec
from sp00ky_core.ports import Extension, ExtensionContext, Finding, Gauge, Service, Table
from sp00ky_webhooks.api import Webhooks
from sp00ky_webhooks.model import Endpoint
from sp00ky_webhooks.tables import ENDPOINTS, EVENTS, SUBSCRIPTIONS

if TYPE_CHECKING:
    import click  # applications that only publish don't load it

HOUR = 3_600.0
SCHEDULE = (5.0, 300.0, 1_800.0, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR)
"""Seconds before each retry, as Standard Webhooks has it."""


def _network(value: Any) -> IPv4Network | IPv6Network:
    try:
        return ip_network(value)
    except ValueError as error:
        raise values.ReadProblem(f"expected a network such as 10.1.0.0/16: {error}") from error


def _topics(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise values.ReadProblem("expected topics, each with a JSON Schema or the name of its file")
    return value


@attrs.frozen(kw_only=True)
class WebhooksOptions:
    """The section ``webhooks:`` of sp00ky.yml.

    Attributes:
        topics: JSON Schemas of payloads by topic; empty: any topic may be published.
        schedule: Seconds before each retry.
        disable_after: Seconds of nothing but failures after which an endpoint is disabled.
        allow_private: Networks that endpoints may be in though they aren't public.
        max_in_flight: Requests at a time to one endpoint, of each runner.
        rate: Requests in a time to one endpoint that has none of its own; None: no limit.
        endpoints: A function of the application's that says where an endpoint is; None: our table does.
        cloud_events: The ``source`` of CloudEvents headers; None: there are none.
        keep_events: Seconds that events are listed.
    """

    topics: Mapping[str, Any] = attrs.field(factory=dict, hash=False, metadata=key(_topics))
    schedule: tuple[float, ...] = attrs.field(
        default=SCHEDULE, metadata=key(values.listed(values.seconds(0), "[5s, 5m, 30m]"))
    )
    disable_after: float = attrs.field(default=120 * HOUR, metadata=key(values.duration_of_time))
    allow_private: tuple[IPv4Network | IPv6Network, ...] = attrs.field(
        default=(), metadata=key(values.listed(_network, "[10.1.0.0/16]"))
    )
    max_in_flight: int = attrs.field(default=5, metadata=key(values.whole(1, 1_000)))
    rate: RateConfig | None = attrs.field(default=None, metadata=RATE)
    endpoints: str | None = attrs.field(default=None, metadata=key(values.text))
    cloud_events: str | None = attrs.field(default=None, metadata=key(values.text))
    keep_events: float = attrs.field(default=720 * HOUR, metadata=key(values.duration_of_time))

    @classmethod
    def read_section(cls, written: Any, folder: Path, reader: Any) -> WebhooksOptions:
        """Read the section; a schema that is the name of a file is read from there."""
        options: WebhooksOptions = reader.read(written, cls, "webhooks", "webhooks")
        schemas = import_module("sp00ky_webhooks.schemas")
        return attrs.evolve(options, topics=schemas.read_all(options.topics, folder))


class WebhooksExtension:
    """See ``sp00ky_core.ports.Extension``."""

    options: type | None = WebhooksOptions
    tables: Sequence[Table] = (ENDPOINTS, SUBSCRIPTIONS, EVENTS)

    def __init__(self) -> None:
        self.api: Callable[[Any], Any] = Webhooks

    def start(self, context: ExtensionContext) -> Service | None:
        """Return what disables endpoints that fail for long."""
        return cast("Service", import_module("sp00ky_webhooks.service").Disabler(Webhooks(context)))

    def commands(self) -> Mapping[str, click.Command]:
        """Return ``sp00ky webhooks``."""
        return {"webhooks": import_module("sp00ky_webhooks.commands").webhooks}

    def pages(self) -> Sequence[Any]:
        """Return the pages of the dashboard; it imports this, so that the dashboard is installed."""
        return cast("Sequence[Any]", import_module("sp00ky_webhooks.pages").PAGES)

    async def findings(self, context: ExtensionContext) -> list[Finding]:
        """Say what is wrong, for ``check``."""
        asking = import_module("sp00ky_webhooks.service").findings(Webhooks(context))
        return cast("list[Finding]", await asking)

    async def metrics(self, context: ExtensionContext) -> Sequence[Gauge]:
        """Count the endpoints that fail, for ``/metrics``."""
        asking = import_module("sp00ky_webhooks.service").metrics(Webhooks(context))
        return cast("Sequence[Gauge]", await asking)

    async def retention(self, context: ExtensionContext) -> int:
        """Delete some events that are older than they are kept."""
        return await Webhooks(context).prune()


ENTRY = TransportEntry(
    make=deferred("sp00ky_webhooks.transport:WebhookTransport"),
    scheme="webhook",
    codes="http",
    credentials=frozenset(),
    contract="none",
    headers=False,
    isolation="route",
)


@hookimpl
def sp00ky_register_transports() -> Mapping[str, TransportEntry]:
    """Register the transport for ``webhook://endpoints``."""
    return {"webhook": ENTRY}


@hookimpl
def sp00ky_register_extensions() -> Mapping[str, Extension]:
    """Register the extension that reads ``webhooks:``."""
    return {"webhooks": WebhooksExtension()}


@hookspec
def sp00ky_endpoint_disabled(endpoint: Endpoint, reason: str) -> None:
    """Observe an endpoint that was disabled because it answered 410, or did nothing but fail for too long.

    Fires after the commit, once in the whole fleet: in the process that wrote it. (Not at all where the reply
    to that write was lost, nor where somebody disables it.) The return value is ignored. Raising changes
    nothing.
    """
