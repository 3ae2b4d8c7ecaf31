"""Webhooks: publish an event in your transaction, and every endpoint that wants it gets it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sp00ky_core.plugins.hookspecs import deferred_names

if TYPE_CHECKING:  # each command looks for plugins, and few need this one
    from sp00ky_webhooks.addresses import AddressRefused
    from sp00ky_webhooks.api import Changes, Endpoints, Webhooks
    from sp00ky_webhooks.model import Endpoint, EndpointNotFound, EndpointSecret, Event, Target
    from sp00ky_webhooks.signatures import Sealed
    from sp00ky_webhooks.sync import SyncWebhooks

__all__ = [
    "AddressRefused",
    "Changes",
    "Endpoint",
    "EndpointNotFound",
    "EndpointSecret",
    "Endpoints",
    "Event",
]
__all__ += ["Sealed", "SyncWebhooks", "Target", "Webhooks"]

_API = dict.fromkeys(("Changes", "Endpoints", "Webhooks"), "api")
_MODEL = dict.fromkeys(("Endpoint", "EndpointNotFound", "EndpointSecret", "Event", "Target"), "model")
_OTHERS = {"AddressRefused": "addresses", "Sealed": "signatures", "SyncWebhooks": "sync"}
__getattr__: Callable[[str], Any] = deferred_names(__name__, **_API, **_MODEL, **_OTHERS)
