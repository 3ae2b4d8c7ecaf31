"""Register the transport, as a plugin of Sp00ky outbox."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from sp00ky_core import BackendConfig, Transport, TransportEntry, hookimpl
from sp00ky_core.config import key, values


@attrs.frozen(kw_only=True)
class AsgiOptions:
    """The section ``asgi:`` of a backend.

    Attributes:
        folder: Where modules are imported from, before the environment's; by default the file's folder.
        loop: ``own``: a loop and a thread of the application's own, where its lifespan runs; ``shared``: the
            runner's loop, for an application that is served in this process already; ``auto``: ``shared``
            inside its lifespan, else ``own``.
        host: What requests have as ``Host``.
    """

    folder: Path = attrs.field(default=Path(), metadata=key(values.path))
    loop: str = attrs.field(default="auto", metadata=key(values.one_of("auto", "own", "shared")))
    host: str = attrs.field(default="localhost", metadata=key(values.text))


def asgi_transport(loop: str = "") -> Transport:
    """Make the transport; what it needs isn't imported by each command that looks for plugins."""
    from sp00ky_transport_asgi.transport import AsgiTransport  # noqa: PLC0415  # see above

    return AsgiTransport(loop)


def own_document(backend: BackendConfig) -> Mapping[str, Any]:
    """Return the application's own OpenAPI document. Raises ``TargetProblem``."""
    from sp00ky_transport_asgi.target import document_of  # noqa: PLC0415  # see above

    return document_of(backend)


ENTRY = TransportEntry(
    make=asgi_transport,
    scheme="asgi",
    codes="http",
    options=AsgiOptions,
    contract="own",
    document=own_document,
    leaves_running=True,
    in_tests=partial(asgi_transport, "shared"),
)
"""A cancelled call goes on, as a server's does whose client has gone."""


@hookimpl
def sp00ky_register_transports() -> Mapping[str, TransportEntry]:
    """Register the transport for ``asgi://MODULE:ATTRIBUTE[/prefix]``."""
    return {"asgi": ENTRY}
